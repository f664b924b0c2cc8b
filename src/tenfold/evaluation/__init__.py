"""From predictions to metrics, from metrics to findings in words, from both to the report."""
