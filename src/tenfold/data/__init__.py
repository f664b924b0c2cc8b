"""Labelled digit images: files in, verified NumPy arrays out. No torch."""
