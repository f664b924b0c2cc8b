"""Recipes trained with many seeds: training, statistics, claims and comparisons."""
