"""Puts the workers of one process together and runs them."""
