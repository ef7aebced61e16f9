"""Widgets that know nothing of transactions: lines, panes of text, an input, scrolling."""
