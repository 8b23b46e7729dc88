"""The policy store: what was accepted from Consul's KV, in ``data/policy.json``, which outlives Consul and restarts.

::

    {"format": 1, "mark": {"revision": 7, "digest": "…", "spared": null}, "copy": {"<key>": "<base64>", …},
     "seen": {"index": 41, "created": 12}, "kept": "…Z", "sha256": "…"}

*mark* is the highest revision ever accepted (``acceptance.Mark``), null before the first. *copy*: the keys of the one
that runs, as they were in KV, and those of what is aborted, or off: they are judged again when they are loaded,
signature and mark included. The two are one file so that neither can be newer than the other; *sha256* is that of the
canonical JSON of the rest; *seen* tells a Consul that lost its data (``halts.Seen``).

WITNESS stands beside it from the first mark on, so that a file which was deleted is told from one that never was.
What is here waits for the disk: call it in a thread.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from attrs import asdict, field, frozen

from graydns.config.canonical_json import canonicalize, parse_json, to_yaml_node
from graydns.config.consul_settings import MAX_POLICY_REVISION, decode_base64
from graydns.config.converter import make_converter, register_class
from graydns.config.document import describe_os_error, read_regular_file
from graydns.config.issues import ValidationError, make_validation_error
from graydns.config.release_policy import format_timestamp, read_timestamp
from graydns.config.scalar import Integer, Keyword, Text
from graydns.control.halts import Seen
from graydns.runtime.disk import write_durably
from graydns.sources.policy.acceptance import High, Lost, Mark, Revision
from graydns.sources.policy.reading import KeyValues

FILE = "policy.json"

#: Says that a mark was kept once.
WITNESS = "policy.kept"

CHECKSUM = "sha256"


Digest = Text("SHA-256", pattern="[0-9a-f]{64}")


_NOTHING = Seen()


def _read_octets(value: object, /) -> bytes:
    octets = decode_base64(value) if isinstance(value, str) else None
    if octets is None:
        raise make_validation_error(value, "octets in base64")
    return octets


@frozen
class _Mark:
    revision: Annotated[int, Integer(0, MAX_POLICY_REVISION)]
    digest: Annotated[str, Digest] | None
    spared: Annotated[str, Digest] | None = None


@frozen
class _Seen:
    index: Annotated[int, Integer(0, MAX_POLICY_REVISION)]
    created: Annotated[int, Integer(0, MAX_POLICY_REVISION)]


@frozen
class _File:
    format: Annotated[str, Keyword(("1",))]
    mark: _Mark | None
    copy: Mapping[Annotated[str, Text("a key", max_length=4096, pattern=r"(?s:.*)")], Annotated[bytes, _read_octets]]
    kept: Annotated[int, read_timestamp]
    seen: _Seen | None = None


@frozen
class Kept:
    """What was kept. *copy*: to be offered as a listing; empty = no revision runs. *at*: Unix seconds, 0 = never.
    *seen*: what Consul was like then; a file that does not say it knows of none that is like it.
    """

    mark: High = None
    copy: KeyValues = field(factory=dict, repr=False)
    at: int = 0
    seen: Seen = _NOTHING


@frozen
class PolicyStore:
    """Reads and writes FILE in the folder *data*."""

    data: Path

    @property
    def path(self) -> Path:
        """The file."""
        return self.data / FILE

    @property
    def witness(self) -> Path:
        """The file that says that there was one."""
        return self.data / WITNESS

    def load(self) -> Kept:
        """What was kept. A file that is not as it was written, or is gone, is a mark that is Lost, never none."""
        try:
            data = read_regular_file(self.path)
        except FileNotFoundError:
            gone = Lost(f"{self.path} is not there, and {self.witness} says that it was")
            return Kept(gone) if os.path.lexists(self.witness) else Kept()
        except (OSError, ValueError) as error:
            return Kept(Lost(f"{self.path}: {describe_os_error(error)}"))
        try:
            kept = _kept(parse_json(data)[0])
        except ValidationError as error:
            first = error.issues[0]
            return Kept(Lost(f"{self.path}: found {first.found}, expected {first.expected}"))
        if kept.mark is not None:
            with suppress(OSError):  # a full disk says so when the next revision is kept
                self._bear_witness()
        return kept

    def keep(
        self,
        mark: Mark | None,
        revision: Revision | None,
        now: float,
        halts: KeyValues | None = None,
        seen: Seen = _NOTHING,
    ) -> None:
        """Keep *mark*, *revision* as the one that runs, and the keys *halts*.

        Raises OSError, and then the file is as it was.
        """
        if mark is not None:
            self._bear_witness()
        entries = {**(halts or {}), **({} if revision is None else revision.entries)}
        rest: dict[str, Any] = {
            "format": 1,
            "mark": None if mark is None else asdict(mark),
            "copy": {key: base64.b64encode(value).decode() for key, value in entries.items()},
            "seen": asdict(seen),
            "kept": format_timestamp(int(now)),
        }
        write_durably(self.path, [canonicalize({**rest, CHECKSUM: _checksum(rest)}), b"\n"])

    def _bear_witness(self) -> None:
        """Have the witness, before there is what it tells of. Raises OSError."""
        if not os.path.lexists(self.witness):
            write_durably(self.witness, (b"policy.json was here; without it no revision is taken until a reset\n",))


def _checksum(rest: Mapping[str, Any]) -> str:
    return sha256(canonicalize(rest)).hexdigest()


def _kept(value: object) -> Kept:
    """Raises ValidationError."""
    if not isinstance(value, dict):
        raise make_validation_error([], "a mapping")
    rest = {key: item for key, item in value.items() if key != CHECKSUM}
    if value.get(CHECKSUM) != _checksum(rest):
        raise make_validation_error("another checksum", "the one of what is there")
    made = make_converter()
    register_class(made, _Mark)
    register_class(made, _Seen)
    register_class(made, _File)
    file: _File = made.structure(to_yaml_node(rest), _File)
    mark = None if file.mark is None else Mark(**asdict(file.mark))
    return Kept(mark, file.copy, file.kept, Seen(0, -1) if file.seen is None else Seen(**asdict(file.seen)))
