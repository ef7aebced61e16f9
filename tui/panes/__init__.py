"""Parts of a screen that draw one thing."""
