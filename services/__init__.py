"""WHERE: every socket, file, clock and random number; one file per thing."""
