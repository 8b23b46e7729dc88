"""Caches and upstreams for operators."""

from __future__ import annotations

from typing import Any

import dns.rcode

from graydns.control.arguments import parse_question
from graydns.gray.dimensions.address import format_network
from graydns.model.name import to_text
from graydns.server import DnsServer
from graydns.upstream.server_groups import UpstreamGroup


def describe_caches(server: DnsServer) -> dict[str, Any]:
    """Sizes, limits and hits of the caches."""
    store = server.stores.answers
    return {
        "counts": dict(store.counts),
        "partitions": {
            name: {"entries": usage.entries, "bytes": usage.octets, "limit": usage.limit}
            for name, usage in store.stats().items()
        },
        "hot": {tenant: {"bytes": table.size, "limit": table.limit} for tenant, table in server.hot_tables.items()},
    }


def find_cached_answers(server: DnsServer, name: str, rdtype: str) -> list[dict[str, Any]]:
    """The cached answers for a question. Raises ControlError."""
    qname, qtype = parse_question(name, rdtype)
    now = server.front.clock()
    return [
        {
            "tenant": key.partition,
            "upstream": _upstream_name(entry.answer.origin),
            "cohort": None if key.cohort is None else list(key.cohort),
            "subnet": None if key.subnet is None else format_network(key.subnet) if key.subnet.address else "none",
            "do": key.dnssec_ok,
            "cd": key.checking_disabled,
            "rcode": dns.rcode.to_text(dns.rcode.Rcode(entry.answer.rcode)),
            "left": round(entry.expires - now, 3),
            "security": None if entry.answer.proof is None else entry.answer.proof.security.value,
            "hits": entry.hits,
            "why": entry.answer.why,
        }
        for key, entry in server.stores.answers.find_all(qname, qtype)
    ]


def list_upstreams(server: DnsServer) -> list[dict[str, Any]]:
    """All upstream servers. *suspect*: it failed in the last seconds, and is tried after the others of its group."""
    suffixes: dict[str, list[str]] = {}
    for suffix, group in server.snapshot.forward.by_suffix.items():
        suffixes.setdefault(group.name, []).append(to_text(suffix))
    return [
        {
            "upstream": name,
            "server": str(one),
            "suffixes": suffixes.get(name, []),
            "deadline": group.deadline,
            "suspect": server.stores.client.is_suspect(one),
        }
        for name, group in server.snapshot.forward.by_name.items()
        for one in group.servers
    ]


def _upstream_name(origin: object) -> str:
    """The name of the upstream that an answer came from."""
    return origin.name if isinstance(origin, UpstreamGroup) else ""
