"""The filter for what one detector flagged and the other did not."""

TERM = "is:disagreed"


def toggled(text: str) -> str:
    """The filter with `is:disagreed` added to whatever else it asks for, or taken out of it."""
    words = text.split()
    if TERM not in words:
        alternative = "|" in text or "or" in (word.lower() for word in words)
        return f"({text}) {TERM}" if alternative else f"{text} {TERM}".strip()
    rest = " ".join(word for word in words if word != TERM)
    # What was put around alternatives goes again, but not the parentheses of "(a) (b)".
    if rest.startswith("(") and rest.endswith(")") and not {"(", ")"} & set(rest[1:-1]):
        return rest[1:-1]
    return rest
