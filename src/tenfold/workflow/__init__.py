"""Each call of the Python API in a file of its own."""
