"""Reports of runs, studies and comparisons as HTML pages, with their figures."""
