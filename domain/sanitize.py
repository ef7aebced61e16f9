"""Text from outside, made safe to show (CWE-150): no control or direction characters reach a terminal."""

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def sanitize(text: str) -> str:
    """`text` with every C0, C1, DEL, bidi and lone surrogate character replaced by U+FFFD.

    Used at every sink (cells, logs, plain output, exports); PostgreSQL keeps the raw value.
    """
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub("\ufffd", text)
