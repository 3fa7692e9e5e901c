"""The `svodka` command."""
