"""Images of people's own handwriting in, the digits on them out. No torch."""
