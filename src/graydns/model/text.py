"""Text from elsewhere, made fit for a log or a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""*text* in one line, control characters and the like as escapes such as ``\x1b``."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
