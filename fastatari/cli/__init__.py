"""The command `fastatari`."""
