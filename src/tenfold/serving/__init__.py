"""An HTTP API and a web page over one reader. No torch."""
