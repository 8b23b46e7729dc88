"""Frames: DNS messages out of a byte stream (RFC 1035 section 4.2.2), whatever its segments are."""

from __future__ import annotations

from collections.abc import Iterator

#: Octets of the length in front of a message.
PREFIX = 2


class Frames:
    """What has been read of one connection and not yet been taken.

    Iterating takes the messages that are complete, and may be left off and begun again at any time. An octet is
    moved at most four times, however the stream is cut; at most one message beyond what was fed is kept.
    """

    __slots__ = ("_at", "_data", "_more", "_wanted")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._more = bytearray()
        self._wanted = PREFIX

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        if self._data:
            self._more += data
        else:
            self._data = data

    def __iter__(self) -> Iterator[bytes]:
        if self._more and not self._join():
            return
        data, at, size = self._data, self._at, len(self._data)
        self._wanted = PREFIX
        while size - at >= PREFIX:
            end = at + PREFIX + (data[at] << 8 | data[at + 1])
            if end > size:
                self._wanted = end - at
                break
            self._at = end
            yield data[at + PREFIX : end]
            at = end
        # Keep no more of a large piece than the beginning of the next message.
        self._data, self._at = data[at:], 0

    def _join(self) -> bool:
        """Put the pieces together if that completes a message."""
        if len(self._data) - self._at + len(self._more) < self._wanted:
            return False
        self._data, self._at = self._data[self._at :] + self._more, 0
        self._more = bytearray()
        return True
