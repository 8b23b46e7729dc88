"""Framing: DNS messages out of a byte stream, each after two octets of length (RFC 1035 section 4.2.2)."""

from __future__ import annotations

from collections.abc import Iterator

#: Octets of the length before a message.
LENGTH_PREFIX_BYTES = 2


class MessageDeframer:
    """The input of one connection, as far as it has not been consumed.

    Iterating consumes the complete messages, and may be interrupted and begun again at any time. An octet is copied at
    most four times, however the stream is segmented; at most one message more than was fed last is buffered.
    """

    __slots__ = ("_data", "_needed_bytes", "_new_data", "_offset")

    def __init__(self) -> None:
        self._data = b""
        self._offset = 0
        self._new_data = bytearray()
        self._needed_bytes = LENGTH_PREFIX_BYTES

    def feed(self, data: bytes) -> None:
        """Add the next segment of the stream."""
        if self._data:
            self._new_data += data
        else:
            self._data = data

    @property
    def is_within_message(self) -> bool:
        """Whether octets of a message are there that is not complete."""
        return bool(self._data)

    def __iter__(self) -> Iterator[bytes]:
        if self._new_data and not self._join():
            return
        data, at, size = self._data, self._offset, len(self._data)
        self._needed_bytes = LENGTH_PREFIX_BYTES
        while size - at >= LENGTH_PREFIX_BYTES:
            end = at + LENGTH_PREFIX_BYTES + (data[at] << 8 | data[at + 1])
            if end > size:
                self._needed_bytes = end - at
                break
            self._offset = end
            yield data[at + LENGTH_PREFIX_BYTES : end]
            at = end
        # Of a large segment keep only the beginning of the next message.
        self._data, self._offset = data[at:], 0

    def _join(self) -> bool:
        """Join the segments if that completes a message; whether it does."""
        if len(self._data) - self._offset + len(self._new_data) < self._needed_bytes:
            return False
        self._data, self._offset = self._data[self._offset :] + self._new_data, 0
        self._new_data = bytearray()
        return True
