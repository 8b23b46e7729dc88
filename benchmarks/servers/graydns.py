"""graydns itself: the plain zone, the gray services, and everything else from the upstream."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks import site
from benchmarks.servers.server import HOST, Server, World
from tools.programs import TWISTD

_CONFIGURATION = """\
listen: ["udp://{host}:{port}", "tcp://{host}:{port}", "tls://{host}:{tls_port}"]
tls: {{certificate: {certificate}, key: {key}}}
admin: null
http: null
data: var/
zones: zones/
cache: {{size: 512MiB}}
upstreams:
  bench: {{servers: ["udp://{host}:{upstream}"]}}
forward: {{".": bench}}
dnssec: {{validate: {validate}, trust_anchors: [{anchor}]}}
"""

_ZONE = """\
zone: {zone}
tenant_id: {tenant}
isolation_level: storage
config_version: "1"
source: {{file: {zone}.zone}}
"""

_SERVICE = """\
  {name}:
    versions:
      stable: {{A: ["{stable[0]}"], AAAA: ["{stable[1]}"]}}
      canary: {{A: ["{canary[0]}"], AAAA: ["{canary[1]}"]}}
    default: stable
    whitelist: {{canary: ["client:{tester}", "net:{net}"]}}
    percent: {{canary: {percent}}}
"""


@frozen
class Graydns(Server):
    """*rules*: how many address rules the gray zone has beside its services. *validates*: what is forwarded."""

    name: ClassVar[str] = "graydns"
    program: ClassVar[str] = "twistd"

    rules: int = 0
    validates: bool = False

    @property
    def label(self) -> str:
        if self.validates:
            return f"{self.name}, validating"
        return f"{self.name}, {self.rules:,} rules" if self.rules else self.name

    def is_present(self) -> bool:
        return True

    def version(self) -> str:
        return version("graydns")

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        text = _CONFIGURATION.format(
            host=HOST,
            port=port,
            tls_port=tls_port,
            certificate=world.certificate,
            key=world.key,
            upstream=world.upstream,
            validate="true" if self.validates else "false",
            anchor=f"'{world.anchor}'" if world.anchor else "",
        )
        (folder / "graydns.yaml").write_text(text)
        _write_zone(folder, world, site.PLAIN, "t-plain", "")
        _write_zone(folder, world, site.GRAY, "t-gray", services() + address_rules(self.rules))
        return twistd(folder / "graydns.yaml")


def twistd(configuration: Path) -> list[str]:
    """The command that serves *configuration* in the foreground, with the running interpreter's graydns."""
    return [*TWISTD, "graydns", "--config", str(configuration)]


def services() -> str:
    """The ``services`` of the gray zone."""
    texts = (
        _SERVICE.format(
            name=site.service(number),
            stable=site.version_addresses(number, "stable"),
            canary=site.version_addresses(number, "canary"),
            tester=site.TESTER,
            net="{}.{}.0.0/16".format(*site.WHITELISTED),
            percent=site.CANARY_PERCENT,
        )
        for number in range(site.SERVICES)
    )
    return "services:\n" + "".join(texts)


def address_rules(count: int) -> str:
    """*count* rules, each of which sends a network of its own to the canary."""
    if not count:
        return ""
    rules = (
        f"  - {{name: r{number}, when: {{source: {a}.{b}.{c}.0/24}}, then: {{version: canary}}}}\n"
        for number in range(count)
        for a, b, c in [site.rule_subnet(number)]
    )
    return "rules:\n" + "".join(rules)


def _write_zone(folder: Path, world: World, zone: str, tenant: str, policy: str) -> None:
    place = folder / "zones" / zone
    place.mkdir(parents=True)
    (place / f"{zone}.zone").write_text(world.zones[zone].read_text())
    (place / "zone-config.yaml").write_text(_ZONE.format(zone=zone, tenant=tenant) + policy)
