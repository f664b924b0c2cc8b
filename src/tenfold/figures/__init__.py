"""Every picture that Tenfold draws, and the only user of matplotlib."""
