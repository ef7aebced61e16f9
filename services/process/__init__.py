"""Supervisor, lock, runtime folder, child processes, logs and systemd."""
