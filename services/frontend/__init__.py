"""The web frontend: built once from its sources with Node.js, then a supervised child process."""
