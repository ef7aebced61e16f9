"""Rows on their way out of the system."""

from domain.sanitize import sanitize

_FORMULA = ("=", "+", "-", "@", "\t", "\0")


def cell(text: str) -> str:
    """A text from outside as a CSV cell: safe to print, and never taken for a formula (CWE-1236)."""
    safe = sanitize(text)
    return f"'{safe}" if text.startswith(_FORMULA) else safe
