"""The caches and upstreams as operators see them."""

from __future__ import annotations

from typing import Any

import dns.rcode

from graydns.control.asking import read_name, read_question
from graydns.gray.scene import show_network
from graydns.model.decision import Cohort
from graydns.model.errors import ControlError
from graydns.model.name import to_text
from graydns.resolve.pipeline import partition_of
from graydns.server import Server
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.group import UpstreamGroup


def stats(server: Server) -> dict[str, Any]:
    """How full the caches are, and how often they helped."""
    store = server.stores.answers
    return {
        "counts": dict(store.counts),
        "partitions": {
            name: {"entries": usage.entries, "bytes": usage.octets, "limit": usage.limit}
            for name, usage in store.stats().items()
        },
        "hot": {tenant: {"bytes": table.size, "limit": table.limit} for tenant, table in server.tables.items()},
    }


def look_up(server: Server, name: str, rdtype: str) -> list[dict[str, Any]]:
    """What the caches hold for a question. Raises ControlError."""
    qname, qtype = read_question(name, rdtype)
    now = server.front.clock()
    return [
        {
            "tenant": key.partition,
            "upstream": _name_of(entry.answer.origin),
            "cohort": None if key.cohort is None else list(key.cohort),
            "subnet": None if key.subnet is None else show_network(key.subnet) if key.subnet.address else "none",
            "do": key.dnssec_ok,
            "cd": key.checking_disabled,
            "rcode": dns.rcode.to_text(dns.rcode.Rcode(entry.answer.rcode)),
            "left": round(entry.expires - now, 3),
            "security": None if entry.answer.proof is None else entry.answer.proof.security.value,
            "hits": entry.hits,
            "why": entry.answer.why,
        }
        for key, entry in server.stores.answers.look_up(qname, qtype)
    ]


def flush(server: Server, name: str | None, cohort: str | None, tenant: str | None) -> int:
    """Forget answers, and failures; the number of answers. *cohort*: its parts joined by ``/``. *tenant*: one with a
    cache of its own, None = all. Raises ControlError."""
    if tenant is not None:
        _check_own(server.snapshot, tenant)
    qname = None if name is None else read_name(name)
    parts = None if cohort is None else cohort.split("/")
    if parts is not None and not 1 <= len(parts) <= 4:
        raise ControlError("a cohort is TENANT/SERVICE/OUTCOME/ENDPOINT")
    gone = server.stores.answers.flush(qname, None if parts is None else Cohort(*parts), tenant)
    server.stores.failures.flush(qname, tenant)
    server.forget_hot()
    return gone


def _check_own(snapshot: Snapshot, tenant: str) -> None:
    """Raise ControlError unless *tenant* has a cache of its own."""
    if tenant not in snapshot.routers:
        raise ControlError(f"there is no tenant {tenant}")
    if (partition := partition_of(snapshot, tenant)) != tenant:
        raise ControlError(
            f"the tenant {tenant} shares the cache of {partition}, being isolated neither in storage nor in network; "
            f"--tenant {partition} flushes that of all who share it"
        )


def upstreams(server: Server) -> list[dict[str, Any]]:
    """Every server of every group. *suspect*: it failed in the last seconds, and is asked after the others."""
    suffixes: dict[str, list[str]] = {}
    for suffix, group in server.snapshot.forward.by_suffix.items():
        suffixes.setdefault(group.name, []).append(to_text(suffix))
    return [
        {
            "upstream": name,
            "server": str(one),
            "suffixes": suffixes.get(name, []),
            "deadline": group.deadline,
            "suspect": server.stores.client.suspects(one),
        }
        for name, group in server.snapshot.forward.by_name.items()
        for one in group.servers
    ]


def _name_of(origin: object) -> str:
    """The name of the upstream that an answer came from."""
    return origin.name if isinstance(origin, UpstreamGroup) else ""
