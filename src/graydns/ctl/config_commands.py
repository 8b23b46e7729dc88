"""``graydnsctl check`` and ``init``: check a configuration without starting graydns, and write one to start from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from graydns.ctl.cli_context import JsonCommand, wants_json
from graydns.ctl.output import print_error, print_json, print_line
from graydns.model.errors import ConfigError, ConfigIssue


@click.command(cls=JsonCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, file: Path) -> None:
    """Check FILE, the zones it names and their rules and records.

    Prints every error with its file, line and column. Exit status: 0 no errors, 1 errors.
    """
    # The loader of the server, which takes long to import; no other command needs it.
    from graydns.sources.snapshot_loader import check_configuration

    warnings: Sequence[str] = ()
    issues: Sequence[ConfigIssue] = ()
    try:
        warnings = check_configuration(file)
    except ConfigError as error:
        issues = error.issues
    if wants_json():
        print_json(
            {"ok": not issues, "errors": [describe_issue(issue) for issue in issues], "warnings": list(warnings)}
        )
    else:
        print_report(file, issues, warnings)
    context.exit(1 if issues else 0)


def print_report(file: Path, issues: Sequence[ConfigIssue], warnings: Sequence[str]) -> None:
    """Print the outcome for people, errors and warnings one per line."""
    for issue in issues:
        print_error(str(issue))
    for warning in warnings:
        print_error(f"warning: {warning}")
    if not issues:
        print_line(f"{file}: ok")


def describe_issue(issue: ConfigIssue) -> dict[str, object]:
    """*issue* for ``--json``; line and column count from 1, 0 = the file as a whole."""
    return {
        "file": issue.file,
        "line": issue.line,
        "column": issue.column,
        "path": list(issue.path),
        "found": issue.found,
        "expected": issue.expected,
    }


CONFIG_TEXT = """\
# graydns.yaml: the main file. Every key has a default; docs/configuration.md explains them all.
# Check it with: graydnsctl check graydns.yaml
# Start it with: twistd -n graydns --config graydns.yaml

listen: ["udp://127.0.0.1:5300", "tcp://127.0.0.1:5300"]

# For DNS over TLS, add "tls://127.0.0.1:8853" above and name a certificate:
# tls: {certificate: var/dot.crt, key: var/dot.key}

data: var/
zones: zones/     # each zones/*/zone-config.yaml is a zone

# Names that are in no zone go to the resolvers of this machine, for clients in private networks only.
upstreams:
  default: {servers: [system], deadline: 500ms}
forward: {".": default}
"""

ZONE_CONFIG_TEXT = """\
# What graydns does with the zone example.test, beyond the records in its zone file.
zone: example.test
tenant_id: example
config_version: "1"      # raise it with every change: only a higher one is loaded
source: {file: example.test.zone}

services:
  # One name, two versions. 5 % of the clients get the canary, always the same ones.
  api.example.test:
    ttl: 5s
    versions:
      stable: {A: [192.0.2.10, 192.0.2.11], AAAA: ["2001:db8::10", "2001:db8::11"]}
      canary: {A: [192.0.2.20], AAAA: ["2001:db8::20"]}
    default: stable
    whitelist: {canary: ["net:127.0.0.0/8"]}
    percent: {canary: 5}

rules:
  - {name: ads, when: {name: "*.ads.example.test"}, then: {block: nodata}}
"""

ZONE_FILE_TEXT = """\
$TTL 300
@       IN SOA  ns1.example.test. hostmaster.example.test. 1 3600 600 604800 60
        IN NS   ns1.example.test.
ns1     IN A    127.0.0.1
www     IN A    192.0.2.1
        IN AAAA 2001:db8::1
"""

STARTER_FILES = {
    "graydns.yaml": CONFIG_TEXT,
    "zones/example.test/zone-config.yaml": ZONE_CONFIG_TEXT,
    "zones/example.test/example.test.zone": ZONE_FILE_TEXT,
}


@click.command(cls=JsonCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_context
def init(context: click.Context, folder: Path) -> None:
    """Write a starter configuration into DIR, which is created if needed.

    Nothing is overwritten: if one of the files exists, none is written.
    """
    error = write_starter_files(folder)
    if wants_json():
        print_json({"ok": error is None, "error": error, "written": [] if error else list(STARTER_FILES)})
    elif error:
        print_error(error)
    else:
        main = folder / "graydns.yaml"
        print_line(f"wrote {', '.join(STARTER_FILES)} below {folder}")
        print_line(f"next: graydnsctl check {main}; twistd -n graydns --config {main}")
    context.exit(1 if error else 0)


def write_starter_files(folder: Path) -> str | None:
    """Write all STARTER_FILES; return the reason if that fails."""
    if present := [str(folder / name) for name in STARTER_FILES if os.path.lexists(folder / name)]:
        return f"nothing written, because these exist: {', '.join(present)}"
    try:
        for name, text in STARTER_FILES.items():
            write_new_file(folder / name, text)
    except OSError as error:
        return f"cannot write: {error}"
    return None


def write_new_file(path: Path, text: str) -> None:
    """Create the file *path*, and its folders. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
