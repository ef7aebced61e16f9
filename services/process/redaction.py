"""Secrets, kept out of what is printed."""

import re

_PASSWORD_IN_URL = re.compile(r"(\w+://[^:/@\s]*):[^@\s]*@")
_PASSWORD_PARAMETER = re.compile(r"(password=)[^&\s]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` with the passwords in URLs replaced by asterisks."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", text))
