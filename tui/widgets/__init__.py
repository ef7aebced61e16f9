"""Widgets that know nothing of transactions: lines and panes of text, an input, scrolling."""
