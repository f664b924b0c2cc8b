"""Metrics of a run's predictions, and findings about them in words."""
