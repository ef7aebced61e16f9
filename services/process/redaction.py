"""Secrets, kept out of what is printed."""

import re

# Linear, also for 100,000 characters that are nearly a URL: no group gives back what it took, and a match goes to the
# end of the word even where no @ comes, so that no other begins in the same word.
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*+:)[^@\s]*+(@?)")
_PASSWORD_PARAMETER = re.compile(r"(password=)[^&\s]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` with the passwords in URLs replaced by asterisks."""
    hidden = _PASSWORD_IN_URL.sub(lambda found: f"{found[1]}***@" if found[2] else found[0], text)
    return _PASSWORD_PARAMETER.sub(r"\1***", hidden)
