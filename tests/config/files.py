"""Configurations that tests write to disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from attrs import evolve

from graydns.config.cross_checks import (
    check_delegated_names,
    check_rule_upstreams,
    check_tenant_rule_versions,
    check_unique_rules,
    check_unique_services,
    check_unique_zone,
)
from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.policy import Rule, ServicePolicy
from graydns.sources.file_fingerprints import list_zone_configs
from graydns.sources.file_reader import ReadJob, read_files
from graydns.sources.parser_frames import (
    IssuesFrame,
    MainConfigFrame,
    PackedRules,
    RulesFrame,
    ServicesFrame,
    ZoneConfigFrame,
)

#: graydns.yaml as contracts for users show it.
MAIN = """\
listen: ["udp://127.0.0.1:5300", "tcp://127.0.0.1:5300", "tls://127.0.0.1:8853"]   # IPv6 in brackets; needs a restart
tls: {certificate: var/dot.crt, key: var/dot.key}     # demo: self-signed ECDSA, made at first start, loopback only
admin: unix:var/admin.sock                            # or tls:// with users; needs a restart
http: tcp://127.0.0.1:8053                            # /metrics /live /ready
data: var/                                            # state, last known good, audit; needs a restart
zones: zones/                                         # each */zone-config.yaml below is a zone of a tenant
reload: {refresh_interval_ms: 3000, fail_fast_on_schema_error: true}
trust: {ecs: [127.0.0.0/8, "::1/128"], tags: [127.0.0.0/8, "::1/128"]}             # these are the defaults
allow_forward: [127.0.0.0/8, "::1/128", 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "fc00::/7"]
limits: {max_connections: 10000, max_per_source: 100, max_pipelined: 100,
         tcp_idle: 8s, tcp_message: 2s, tls_handshake: 3s,
         max_inflight: 2000, max_inflight_per_source: 200, nsid: null, udp_payload: 1232}
cache: {size: 64MiB, max_ttl: 1d, negative_ttl: 1h, stale: {for: 1d, ttl: 30s, client_timeout: 0ms}}
upstreams:
  default: {servers: [system], deadline: 500ms}
forward: {".": default}                               # suffix -> upstream; no entry: not ours is REFUSED
tenants:                                              # optional
  t-demo: {clients: [10.0.0.0/8], listen: [], cache: 16MiB, qps: 1000, inflight: 200, rules: []}
"""

ZONE = """\
# zones/shop.test/zone-config.yaml  (the demo)
zone: shop.test
tenant_id: t-demo
isolation_level: network+storage       # any of network, storage, compute joined by +
config_version: "20261122.1"
source: {file: shop.test.zone}
services:
  api.shop.test:
    ttl: 5s
    salt: api-2026-11
    versions:
      stable: {A: [192.0.2.10, 192.0.2.11], AAAA: ["2001:db8::10"]}
      canary: {A: [192.0.2.20], AAAA: ["2001:db8::20"]}
    default: stable
    whitelist: {canary: ["client:qa-laptop", "net:10.1.0.0/16"]}
    percent: {canary: 10}
rules:
  - {name: vip, when: {source: 10.2.0.0/16, client: tenant-a, name: "api*"}, then: {version: canary}}
  - {name: staging, when: {name: "staging-*.shop.test"}, then: {records: {A: [192.0.2.30]}}}
  - {name: ads, when: {name: "*.ads.shop.test"}, then: {block: nodata}}
"""

#: The least a zone needs, at lines 1 to 4; tests append.
BARE = "zone: shop.test\ntenant_id: t-demo\nconfig_version: 1\nsource: {file: data}\n"


def load_main(path: Path) -> Config:
    """The main file at *path*, as the server reads it. Raises ConfigError."""
    frame = next(read_files(ReadJob(path), bounded=False))
    if isinstance(frame, IssuesFrame):
        raise ConfigError(frame.issues)
    assert isinstance(frame, MainConfigFrame)
    tenants = {name: evolve(tenant, rules=tuple(tenant.rules)) for name, tenant in frame.config.tenants.items()}
    return evolve(frame.config, tenants=tenants)


def load_zone(path: Path) -> ZoneConfig:
    """The zone-config.yaml at *path*, as the server reads it, whatever its data are. Raises ConfigError."""
    config: ZoneConfig | None = None
    services: dict[bytes, ServicePolicy] = {}
    rules: list[Rule] = []
    is_wanted = False
    for frame in read_files(ReadJob(None, path.parent.parent), bounded=False):
        if isinstance(frame, IssuesFrame) and frame.source == str(path) and config is None:
            raise ConfigError(frame.issues)
        if isinstance(frame, ZoneConfigFrame):
            is_wanted = frame.path == path
            config = frame.config if is_wanted else config
        elif isinstance(frame, ServicesFrame) and is_wanted:
            services.update(frame.services)
        elif isinstance(frame, RulesFrame) and is_wanted:
            rules += PackedRules((frame.chunk,), frame.size)
    assert config is not None, path
    return evolve(config, services=services, rules=tuple(rules))


def load_zones(config: Config) -> tuple[ZoneConfig, ...]:
    """Every zone below the ``zones`` folder of *config*, checked against each other. Raises ConfigError."""
    zones: list[ZoneConfig] = []
    faults: list[ConfigIssue] = []
    for path in () if config.zones is None else list_zone_configs(config.zones):
        try:
            zones.append(load_zone(path))
        except ConfigError as error:
            faults.extend(error.issues)
    faults.extend(check_zones(config, zones, complete=not faults))
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column)))
    return tuple(zones)


def check_zones(config: Config, zones: Sequence[ZoneConfig], *, complete: bool) -> Iterator[ConfigIssue]:
    """Faults across *zones*; *complete*: all zone files were readable, so what is missing here is missing."""
    by_name: dict[bytes, ZoneConfig] = {}
    owners: dict[bytes, ZoneConfig] = {}
    for zone in zones:
        found = [
            *check_unique_zone(zone, by_name),
            *check_unique_services(zone, owners),
            *check_unique_rules(zone, config),
        ]
        found += [issue.under("rules") for issue in check_rule_upstreams(zone.rules, config)]
        by_name.setdefault(zone.zone, zone)
        if found:
            yield from zone.document.locate_all(found)
    for zone in zones:
        if found := list(check_delegated_names(zone, by_name)):
            yield from zone.document.locate_all(found)
    if complete and (found := list(check_tenant_rule_versions(config, zones))):
        yield from config.document.locate_all(found)


def write_main(folder: Path, text: str = "{}") -> Path:
    """A graydns.yaml in *folder*, with an empty zones folder beside it."""
    (folder / "zones").mkdir(exist_ok=True)
    path = folder / "graydns.yaml"
    path.write_text(dedent(text))
    return path


def write_zone(folder: Path, text: str, name: str = "shop.test") -> Path:
    """A zone-config.yaml in its own folder below *folder*, with the data files that tests name."""
    home = folder / "zones" / name
    home.mkdir(parents=True, exist_ok=True)
    (home / "data").touch()
    (home / "shop.test.zone").touch()
    path = home / "zone-config.yaml"
    path.write_text(dedent(text))
    return path


def main_of(folder: Path, text: str = "{}") -> Config:
    """What a main file of *text* loads as."""
    return load_main(write_main(folder, text))


def zone_of(folder: Path, text: str) -> ZoneConfig:
    """What a zone file of *text* loads as."""
    return load_zone(write_zone(folder, text))


def service_zone(text: str) -> str:
    """A zone file whose service api.shop.test has the keys of *text*, beginning at line 7."""
    lines = dedent(text).splitlines()
    return BARE + "services:\n  api.shop.test:\n" + "".join(f"    {line}\n" for line in lines)


def faults_of_main(folder: Path, text: str) -> tuple[ConfigIssue, ...]:
    """The faults of a main file of *text*."""
    with pytest.raises(ConfigError) as caught:
        main_of(folder, text)
    return caught.value.issues


def faults_of_zone(folder: Path, text: str) -> tuple[ConfigIssue, ...]:
    """The faults of a zone file of *text*."""
    with pytest.raises(ConfigError) as caught:
        zone_of(folder, text)
    return caught.value.issues


def faults_of_zones(config: Config) -> tuple[ConfigIssue, ...]:
    """The faults of all zones of *config*."""
    with pytest.raises(ConfigError) as caught:
        load_zones(config)
    return caught.value.issues


def brief(fault: ConfigIssue) -> str:
    """*fault* as ``line:column path: found``."""
    return f"{fault.line}:{fault.column} {'.'.join(map(str, fault.path))}: {fault.found}"
