"""Recipes run with many seeds: running them, their statistics, claims and comparisons."""
