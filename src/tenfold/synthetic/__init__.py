"""Training images for reading."""
