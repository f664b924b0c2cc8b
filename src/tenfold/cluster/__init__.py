"""Studies and bulk reading on a Ray cluster. The only user of Ray."""
