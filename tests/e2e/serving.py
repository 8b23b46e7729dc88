"""Serving a configuration of a test's own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import answers
from tools.process import Process, start
from tools.programs import TWISTD

#: Keys that tests have no use for.
HEAD = "admin: null\nhttp: null\ndata: var/\n"

DATA = "$TTL 300\n@ SOA ns.test. h.test. 7 3600 600 86400 60\n@ NS ns.test.\nwww A 192.0.2.80\n"


def write(folder: Path, main: str, zones: Mapping[str, tuple[str, str]]) -> Path:
    """Write graydns.yaml and, by zone name, (zone-config.yaml after its common keys, more zone data)."""
    (folder / "zones").mkdir()
    for zone, (config, data) in zones.items():
        home = folder / "zones" / zone
        home.mkdir()
        (home / "data.zone").write_text(f"$ORIGIN {zone}.\n{DATA}{textwrap.dedent(data)}")
        head = f'zone: {zone}\nconfig_version: "1"\nsource: {{file: data.zone}}\n'
        (home / "zone-config.yaml").write_text(head + textwrap.dedent(config))
    (folder / "graydns.yaml").write_text(HEAD + textwrap.dedent(main))
    return folder / "graydns.yaml"


@contextmanager
def serving(config: Path, port: int) -> Iterator[Process]:
    """A graydns that serves *config*, with a UDP door at *port* of 127.0.0.1."""
    process = start([*TWISTD, "graydns", "--config", str(config)], config.parent)
    try:
        process.wait_until(lambda: answers(port))
        yield process
    finally:
        process.stop()
