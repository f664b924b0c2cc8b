"""Where labelled digit images come from: files in, checked NumPy arrays out. No torch."""
