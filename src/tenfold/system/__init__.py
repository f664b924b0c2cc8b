"""What stands on the operating system: files, locks, processes, the machine."""
