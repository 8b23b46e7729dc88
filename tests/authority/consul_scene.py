"""A catalog that has everything Consul's DNS treats specially, and the questions to ask about it.

``record`` asks a real agent, its HTTP interface and its DNS port; ``consul_recorded.json`` is what a Consul 1.8.7 said,
started with DNS_CONFIG. The tests compare that with what graydns says to the same questions.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode

RECORDED = Path(__file__).parent / "consul_recorded.json"

#: What the recorded agent had in its configuration.
DNS_CONFIG = 'dns_config { service_ttl { "*" = "5s" "api" = "1s" "we*" = "2s" } node_ttl = "7s" soa { min_ttl = 3 } }'

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"

Registration = dict[str, Any]


def node(name: str, address: str, *checks: tuple[str, str], meta: dict[str, str] | None = None) -> Registration:
    """A node of the catalog; *checks*: id and status of checks of the node itself."""
    found = [{"Node": name, "CheckID": check, "Name": check, "Status": status} for check, status in checks]
    return {"Node": name, "Address": address, "NodeMeta": meta or {}, "Checks": found}


def instance(
    on: str,
    service: str,
    *tags: str,
    number: int = 1,
    address: str = "",
    port: int = 80,
    weights: tuple[int, int] = (1, 1),
    checks: tuple[str, ...] = (),
    maintenance: bool = False,
) -> Registration:
    """An instance on a node that exists; *checks*: the statuses of its checks."""
    ident = f"{service}-{number}"
    named = [(f"{ident}:{at}", status) for at, status in enumerate(checks)]
    if maintenance:
        named.append((f"_service_maintenance:{ident}", CRITICAL))
    return {
        "Node": on,
        "SkipNodeUpdate": True,
        "Service": {
            "ID": ident,
            "Service": service,
            "Tags": list(tags),
            "Address": address,
            "Port": port,
            "Weights": {"Passing": weights[0], "Warning": weights[1]},
        },
        "Checks": [
            {"Node": on, "CheckID": check, "Name": check, "Status": status, "ServiceID": ident}
            for check, status in named
        ],
    }


REGISTRATIONS: list[Registration] = [
    node("n1", "10.0.0.1", meta={"rack": "r1", "rfc1035-note": "hello world"}),
    node("n2", "10.0.0.2"),
    node("n3", "fd00::3"),
    node("n4", "n4.example.com"),
    node("dotted.node", "10.0.0.5"),
    node("n6", "10.0.0.6", ("disk", CRITICAL)),
    node("n7", "10.0.0.7", ("_node_maintenance", CRITICAL)),
    node("Upper", "10.0.0.8"),
    node("under_score", "10.0.0.9"),
    node("inside", "n1.node.consul"),
    instance("n1", "web", "v1", "primary", port=8080),
    instance("n2", "web", "v2", "Primary", port=8081, weights=(10, 1)),
    instance("n2", "web", "v2", number=2, port=8082),
    instance("n3", "web", "v1", port=8083),
    instance("n1", "api", checks=(PASSING,), address="10.1.0.1"),
    instance("n2", "api", checks=(PASSING, WARNING), address="10.1.0.2", weights=(9, 3)),
    instance("n3", "api", checks=(CRITICAL,), address="10.1.0.3"),
    instance("n6", "api", checks=(PASSING,), address="10.1.0.6"),
    instance("n7", "api", address="10.1.0.7"),
    instance("n1", "api", number=8, address="10.1.0.8", maintenance=True),
    instance("n2", "api", number=9, address="10.1.0.9"),
    instance("n1", "host", address="host.example.com", port=443),
    instance("n1", "hosts", address="one.example.com"),
    instance("n2", "hosts", address="two.example.com", number=2),
    instance("n1", "blend", address="one.example.com"),
    instance("n2", "blend", address="10.2.0.2"),
    instance("n4", "nodehost", port=90),
    instance("n1", "toweb", address="web.service.consul"),
    instance("n1", "tonode", address="n2.node.consul"),
    instance("n1", "tonothing", address="nothing.service.consul"),
    instance("inside", "tonode2"),
    instance("n1", "six", address="2001:db8::6"),
    instance("n1", "down", checks=(CRITICAL,)),
    instance("n1", "warned", checks=(WARNING,), weights=(5, 0)),
    instance("n1", "dots", "a.b", "b"),
    instance("n1", "CamelCase", "TagCase"),
    instance("n1", "under_score"),
    instance("under_score", "onbad"),
    instance("Upper", "onupper"),
    instance("dotted.node", "ondotted"),
    instance("n1", "transport", "tcp"),
    instance("n2", "transport", "udp"),
    instance("n3", "transport"),
    instance("n1", "tcp", "transport"),
    instance("n1", "twice", address="10.3.0.1", port=1),
    instance("n1", "twice", address="10.3.0.1", port=1, number=2),
    instance("n2", "twice", address="10.3.0.1", port=1),
    instance("n1", "a.dotted"),
]

_SERVICES = """
web api host hosts blend nodehost toweb tonode tonothing tonode2 six down warned dots CamelCase under_score onbad
onupper ondotted transport twice nothing consul
"""
_TYPES = ("A", "AAAA", "SRV", "ANY", "CNAME", "TXT")

_OTHERS = """
v1.web.service v2.web.service primary.web.service PRIMARY.web.service v3.web.service web.service.dc1 v1.web.service.dc1
web.service.DC1 web.service.dc2 web.service.dc1.dc1 WEB.service web.SERVICE camelcase.service tagcase.camelcase.service
a.b.dots.service b.dots.service a.dots.service a.dotted.service v1.primary.web.service
_web._v1.service _web._tcp.service _web._udp.service _web._TCP.service _web._v3.service _web._tcp.service.dc1 _web._tcp
_web._v1 _web.service _web._v1.x.service _transport._tcp.service _transport._udp.service tcp.transport.service
_tcp._transport.service _nothing._tcp.service _web._tcp.dc1 _web._tcp.service.dc2 _host._tcp.service
n1.node n2.node n3.node n4.node dotted.node.node dotted.node node.node n6.node n7.node Upper.node upper.node
under_score.node inside.node n1.node.dc1 n1.node.DC1 n1.node.dc2 n1.node.dc1.x x.n1.node missing.node main.node
0a000001.addr 0a000001.addr.dc1 0A000001.addr fd000000000000000000000000000003.addr 0a0000.addr zz000001.addr
x.0a000001.addr 0a000001.addr.dc2 web.connect db.query web.ingress connect
service node addr dc1 service.dc1 x ns other.x _tcp.web.service addr.dc1 web web.service.service
""".split()  # noqa: SIM905


def questions() -> list[tuple[str, str]]:
    """Names below ``consul`` with types; SOA and NS say the same everywhere."""
    names = ["", *(f"{service}.service" for service in _SERVICES.split()), *_OTHERS]
    asked = [(f"{name}.consul" if name else "consul", mnemonic) for name in names for mnemonic in _TYPES]
    return [*asked, ("consul", "SOA"), ("consul", "NS"), ("web.service.consul", "SOA"), ("web.service.consul", "NS")]


def register(http: str) -> None:
    """Write the catalog over the HTTP interface at *http*."""
    for registration in REGISTRATIONS:
        body = json.dumps(registration).encode()
        request = urllib.request.Request(f"{http}/v1/catalog/register", body, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()


def fetch(http: str, path: str) -> Any:
    """What the HTTP interface says at *path*, below ``/v1/``."""
    with urllib.request.urlopen(f"{http}/v1/{path}", timeout=5) as reply:
        return json.load(reply)


def answer(port: int, name: str, mnemonic: str) -> dict[str, Any]:
    """What the DNS port says, over TCP, where nothing is left out."""
    query = dns.message.make_query(name, mnemonic, flags=0)
    return shown(dns.query.tcp(query, "127.0.0.1", port=port, timeout=5))


def shown(message: dns.message.Message) -> dict[str, Any]:
    """A message as it is recorded: rcode, AA, the records of each section, sorted."""
    sections = (sorted(line for rrset in part for line in rrset.to_text().split("\n")) for part in message.sections[1:])
    parts = dict(zip(("answer", "authority", "additional"), sections, strict=True))
    found = {name: lines for name, lines in parts.items() if lines}
    return {"rcode": dns.rcode.to_text(message.rcode()), "aa": bool(message.flags & dns.flags.AA), **found}


def written(recording: dict[str, Any]) -> str:
    """The text of ``consul_recorded.json``: an answer, a service, a node a line."""
    parts = []
    for part, entries in recording.items():
        lines = [f"{json.dumps(key)}: {json.dumps(entries[key], sort_keys=True)}" for key in sorted(entries)]
        parts.append(f'"{part}": {{\n' + ",\n".join(lines) + "\n}")
    return "{" + ",\n".join(parts) + "}\n"


def record(http: str, port: int) -> dict[str, Any]:
    """All that the agent says: the catalog for :mod:`graydns.sources.consul.catalog_parser`, and the answers."""
    services, nodes = fetch(http, "catalog/services"), fetch(http, "catalog/nodes")
    return {
        "catalog": {"services": services, "nodes": nodes},
        "health": {name: fetch(http, f"health/service/{name}") for name in services},
        "node": {entry["Node"]: fetch(http, f"catalog/node/{entry['Node']}") for entry in nodes},
        "answers": {f"{name} {mnemonic}": answer(port, name, mnemonic) for name, mnemonic in questions()},
    }
