"""Text that came from files or the network, for logs and terminals."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""*text* in one line, control characters and the like as escapes such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
