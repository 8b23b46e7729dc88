"""Where live changes are on the disk. Tenants with isolation level ``storage`` have theirs in folders of their own.

::

    data/live.json                   those of all other tenants, and those of the whole server: a rollback, gray off for
                                     all tenants, negative trust anchors
    data/tenants/TENANT/live.json    one tenant's: its services, its gray off

What is here blocks on the disk: call it in a thread, one call at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, evolve, field

from graydns.config.document import read_document
from graydns.config.issues import ValidationIssue
from graydns.control.live_changes import (
    LIVE_CHANGES_FILE,
    ChangeRecord,
    LiveChanges,
    ServiceOverride,
    dump_live_changes,
    load_live_changes,
)
from graydns.model.errors import ConfigError
from graydns.resolve.stores import STORAGE_ISOLATION
from graydns.runtime.disk import fsync_directory, write_durably
from graydns.snapshot.snapshot import Snapshot

TENANTS_FOLDER = "tenants"

#: Permissions of a tenant's folder, and of the folder that they are in.
TENANT_FOLDER_MODE = 0o700


@define(eq=False)
class LiveChangeStore:
    """Reads and writes live changes, below the folder *data*."""

    data: Path
    _written: dict[Path, bytes] = field(init=False, factory=dict, repr=False)

    @property
    def main_file(self) -> Path:
        """The file for everything that is not in a tenant's folder."""
        return self.data / LIVE_CHANGES_FILE

    def load_live_changes(self) -> LiveChanges:
        """All that is stored. Raises ConfigError with the issues of a file, and OSError."""
        live = load_live_changes(self.main_file)
        if self.main_file.exists():
            self._written[self.main_file] = dump_live_changes(live)
        for path in sorted((self.data / TENANTS_FOLDER).glob(f"*/{LIVE_CHANGES_FILE}")):
            own = _check_tenant_file(load_live_changes(path), path)
            self._written[path] = dump_live_changes(own)
            live = evolve(live, services={**live.services, **own.services}, gray_off={**live.gray_off, **own.gray_off})
        return live

    def write(self, live: LiveChanges, snapshot: Snapshot) -> None:
        """Store each part of *live* in its file; *snapshot* says which tenants are isolated in storage.

        A part that moves to another file is synced there before it leaves the one it was in. Raises OSError, after
        restoring the files as far as the disk lets it.
        """
        done: list[Path] = []
        before = dict(self._written)
        try:
            for path, content in self._changed_files(live, snapshot):
                done.append(path)
                self._write_file(path, content)
        except OSError:
            for path in done:
                with suppress(OSError):
                    self._write_file(path, before.get(path))
            raise

    def _changed_files(self, live: LiveChanges, snapshot: Snapshot) -> Iterator[tuple[Path, bytes | None]]:
        """The files to write for *live*, with their contents, None = remove it; in the order of writing."""
        whole = LiveChanges(pin=live.pin, negative_trust_anchors=live.negative_trust_anchors)
        parts: dict[Path, LiveChanges] = {self.main_file: whole}
        for name, override in live.services.items():
            path = self._file_for(override.tenant, snapshot)
            parts[path] = parts.get(path, LiveChanges()).with_service(name, override)
        for tenant, record in live.gray_off.items():
            path = self._file_for(tenant, snapshot)
            part = parts.get(path, LiveChanges())
            parts[path] = evolve(part, gray_off={**part.gray_off, tenant: record})
        wanted: dict[Path, bytes | None] = dict.fromkeys(self._written)
        wanted |= {
            path: dump_live_changes(part)
            for path, part in parts.items()
            if part != LiveChanges() or path in self._written
        }
        emptied = [
            path for path in wanted if path != self.main_file and parts.get(path, LiveChanges()) == LiveChanges()
        ]
        first = [path for path in wanted if path != self.main_file and path not in emptied]
        for path in (*first, self.main_file, *emptied):
            content = None if path in emptied else wanted.get(path)
            if content != self._written.get(path):
                yield path, content

    def _file_for(self, tenant: str | None, snapshot: Snapshot) -> Path:
        """The file for *tenant*. A tenant that has no zone any more keeps the one it had."""
        if tenant is None:
            return self.main_file
        own = self.data / TENANTS_FOLDER / tenant / LIVE_CHANGES_FILE
        isolated = STORAGE_ISOLATION in snapshot.isolation(tenant)
        return own if isolated or (tenant not in snapshot.isolation_levels and own in self._written) else self.main_file

    def _write_file(self, path: Path, content: bytes | None) -> None:
        if content is None:
            path.unlink(missing_ok=True)
            fsync_directory(path.parent)
            self._written.pop(path, None)
            return
        if path != self.main_file:
            _make_tenant_folder(path.parent)
        write_durably(path, [content])
        self._written[path] = content


def _make_tenant_folder(folder: Path) -> None:
    """Make a tenant's folder and the one that it is in, synced, readable by their owner only."""
    for each in (folder.parent, folder):
        fresh = not each.exists()
        each.mkdir(mode=TENANT_FOLDER_MODE, exist_ok=True)
        os.chmod(each, TENANT_FOLDER_MODE)
        if fresh:
            fsync_directory(each.parent)


def _check_tenant_file(own: LiveChanges, path: Path) -> LiveChanges:
    """The changes in the file *path* of a tenant. Raises ConfigError if any is not that tenant's."""
    tenant = path.parent.name
    expected = f"{tenant!r}, the tenant of this folder"
    issues = [
        ValidationIssue(("services", name, "tenant"), repr(override.tenant), expected)
        for name, override in own.services.items()
        if override.tenant not in (None, tenant)
    ]
    issues += [ValidationIssue(("gray_off", key), repr(key), expected) for key in own.gray_off if key != tenant]
    if own.pin is not None:
        issues.append(ValidationIssue(("pin",), "a rollback", "null: a rollback is of the whole server"))
    if own.negative_trust_anchors:
        found = "negative trust anchors"
        issues.append(ValidationIssue(("negative_trust_anchors",), found, "none: they are of the whole server"))
    if issues:
        raise ConfigError(read_document(path).locate_all(issues))
    services: dict[str, ServiceOverride] = {name: evolve(each, tenant=tenant) for name, each in own.services.items()}
    gray_off: dict[str, ChangeRecord] = dict(own.gray_off)
    return LiveChanges(services, gray_off)
