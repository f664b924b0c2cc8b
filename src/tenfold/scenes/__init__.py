"""Training images that are drawn: digits on paper, read by the reader's own pipeline."""
