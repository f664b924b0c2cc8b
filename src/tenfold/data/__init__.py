"""Labelled digit images, loaded from files and verified, as NumPy arrays. No torch."""
