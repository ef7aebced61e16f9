"""The HTTP API: what the console shows, for browsers and programs."""
