"""Access to the operating system: files, locks, processes, the machine. No torch."""
