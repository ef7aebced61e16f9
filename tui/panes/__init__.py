"""Panes: each explains one thing, in lines of text."""
