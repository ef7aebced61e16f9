"""The filter for transactions that one detector flagged and the other did not."""

TERM = "is:disagreed"


def toggled(text: str) -> str:
    """The filter `text` with `is:disagreed` added, or removed where it has it."""
    words = text.split()
    if TERM not in words:
        alternative = "|" in text or "or" in (word.lower() for word in words)
        return f"({text}) {TERM}" if alternative else f"{text} {TERM}".strip()
    rest = " ".join(word for word in words if word != TERM)
    # Remove the parentheses that were put around alternatives, but not those of "(a) (b)".
    if rest.startswith("(") and rest.endswith(")") and not {"(", ")"} & set(rest[1:-1]):
        return rest[1:-1]
    return rest
