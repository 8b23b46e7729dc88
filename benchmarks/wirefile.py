"""Queries as bytes, and files of them that ``dnsperf -B`` reads: each message after its length in two octets."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

A, AAAA = 1, 28
_ECS, _TAGS = 8, 65001
_HEADER = struct.pack("!HHHHHH", 0, 0x0100, 1, 0, 0, 1)
_PAYLOAD = 1232


@frozen
class Question:
    """One query. *subnet*: the first three octets of an IPv4 /24. *tags*: the text of option 65001."""

    name: str
    rdtype: int = A
    subnet: tuple[int, int, int] | None = None
    tags: str = ""

    def wire(self) -> bytes:
        """A query message with RD and EDNS, its id 0 (dnsperf sets its own)."""
        options = b""
        if self.subnet is not None:
            options += struct.pack("!HHHBB", _ECS, 7, 1, 24, 0) + bytes(self.subnet)
        if self.tags:
            options += struct.pack("!HH", _TAGS, len(self.tags)) + self.tags.encode()
        labels = b"".join(bytes((len(label),)) + label.encode() for label in self.name.split("."))
        asked = labels + struct.pack("!BHH", 0, self.rdtype, 1)
        return _HEADER + asked + struct.pack("!BHHIH", 0, 41, _PAYLOAD, 0, len(options)) + options


def write(path: Path, questions: Iterable[Question]) -> Path:
    """Write *questions* to *path*, in order."""
    with path.open("wb") as file:
        for question in questions:
            message = question.wire()
            file.write(struct.pack("!H", len(message)) + message)
    return path


def read(path: Path) -> list[bytes]:
    """The messages of a file, each with its length in front, as they go over a stream."""
    data = path.read_bytes()
    messages, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        messages.append(data[at:end])
        at = end
    return messages
