"""Ways to hand over a digest, one file each, behind `domains.ports.Channel`; `factory` knows them all."""
