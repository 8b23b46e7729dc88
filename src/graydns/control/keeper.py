"""Keeper: where live changes are on the disk. Tenants that are isolated in storage have theirs in folders of their own.

::

    data/live.json                   everybody else's, and what is of the server: a rollback, gray off for all, negative
                                     trust anchors
    data/tenants/TENANT/live.json    one tenant's: its services, its gray off

What is here waits for the disk: call it in a thread, one call at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, evolve, field

from graydns.config.file import read_document
from graydns.config.misfit import Misfit
from graydns.control.disk import sync_folder, write_durably
from graydns.control.live import FILE, Live, Override, Stay, dump, load
from graydns.model.errors import ConfigError
from graydns.resolve.pipeline import STORAGE
from graydns.snapshot.snapshot import Snapshot

FOLDER = "tenants"

#: Of a tenant's folder, and of the one that they are in.
MODE = 0o700


@define(eq=False)
class Keeper:
    """Reads and writes what operators changed, below *data*."""

    data: Path
    _written: dict[Path, bytes] = field(init=False, factory=dict, repr=False)

    @property
    def main(self) -> Path:
        """The file for all that has no folder of its own."""
        return self.data / FILE

    def load(self) -> Live:
        """All that is kept. Raises ConfigError with the faults of a file, and OSError."""
        live = load(self.main)
        if self.main.exists():
            self._written[self.main] = dump(live)
        for path in sorted((self.data / FOLDER).glob(f"*/{FILE}")):
            own = _checked(load(path), path)
            self._written[path] = dump(own)
            live = evolve(live, services={**live.services, **own.services}, gray_off={**live.gray_off, **own.gray_off})
        return live

    def write(self, live: Live, snapshot: Snapshot) -> None:
        """Keep *live*, every part at its place; *snapshot*: who is isolated.

        What goes to a tenant's folder is there before it leaves the main file, and the other way round. Raises OSError,
        and then the files are as they were, as far as the disk lets them.
        """
        done: list[Path] = []
        before = dict(self._written)
        try:
            for path, content in self._changed(live, snapshot):
                done.append(path)
                self._put(path, content)
        except OSError:
            for path in done:
                with suppress(OSError):
                    self._put(path, before.get(path))
            raise

    def _changed(self, live: Live, snapshot: Snapshot) -> Iterator[tuple[Path, bytes | None]]:
        """Files that are not as they should be, with their contents, None = no file; in the order of writing."""
        whole = Live(pin=live.pin, negative_trust_anchors=live.negative_trust_anchors)
        parts: dict[Path, Live] = {self.main: whole}
        for name, override in live.services.items():
            path = self._place(override.tenant, snapshot)
            parts[path] = parts.get(path, Live()).with_service(name, override)
        for tenant, stay in live.gray_off.items():
            path = self._place(tenant, snapshot)
            part = parts.get(path, Live())
            parts[path] = evolve(part, gray_off={**part.gray_off, tenant: stay})
        wanted: dict[Path, bytes | None] = dict.fromkeys(self._written)
        wanted |= {path: dump(part) for path, part in parts.items() if part != Live() or path in self._written}
        gone = [path for path in wanted if path != self.main and parts.get(path, Live()) == Live()]
        first = [path for path in wanted if path != self.main and path not in gone]
        for path in (*first, self.main, *gone):
            content = None if path in gone else wanted.get(path)
            if content != self._written.get(path):
                yield path, content

    def _place(self, tenant: str | None, snapshot: Snapshot) -> Path:
        """Where *tenant*'s things are. One that has no zone any more has them where they were."""
        if tenant is None:
            return self.main
        own = self.data / FOLDER / tenant / FILE
        isolated = STORAGE in snapshot.isolation(tenant)
        return own if isolated or (tenant not in snapshot.levels and own in self._written) else self.main

    def _put(self, path: Path, content: bytes | None) -> None:
        if content is None:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
            self._written.pop(path, None)
            return
        if path != self.main:
            _make_folder(path.parent)
        write_durably(path, [content])
        self._written[path] = content


def _make_folder(folder: Path) -> None:
    """A tenant's folder, and the one that it is in, on the disk, for their owner alone."""
    for each in (folder.parent, folder):
        fresh = not each.exists()
        each.mkdir(mode=MODE, exist_ok=True)
        os.chmod(each, MODE)
        if fresh:
            sync_folder(each.parent)


def _checked(own: Live, path: Path) -> Live:
    """What a tenant's file says, which is of that tenant. Raises ConfigError."""
    tenant = path.parent.name
    expected = f"{tenant!r}, whose folder this is"
    wrong = [
        Misfit(("services", name, "tenant"), repr(override.tenant), expected)
        for name, override in own.services.items()
        if override.tenant not in (None, tenant)
    ]
    wrong += [Misfit(("gray_off", key), repr(key), expected) for key in own.gray_off if key != tenant]
    if own.pin is not None:
        wrong.append(Misfit(("pin",), "a rollback", "null; a rollback is of the whole server"))
    if own.negative_trust_anchors:
        found = "negative trust anchors"
        wrong.append(Misfit(("negative_trust_anchors",), found, "none; they are of the whole server"))
    if wrong:
        raise ConfigError(read_document(path).locate_all(wrong))
    services: dict[str, Override] = {name: evolve(each, tenant=tenant) for name, each in own.services.items()}
    gray_off: dict[str, Stay] = dict(own.gray_off)
    return Live(services, gray_off)
