"""The terminal: its driver, its hang-up, and fewer bytes over a slow link."""
