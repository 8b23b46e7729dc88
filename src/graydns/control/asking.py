"""Asking: a query as an operator describes it, for ``explain``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import dns.exception
import dns.rdatatype
from attrs import asdict, evolve

from graydns.control.plain import plain
from graydns.fast.peer import NetworkMap
from graydns.model.errors import ControlError
from graydns.model.name import from_text
from graydns.model.query import DEFAULT_TENANT, TCP, TLS, UDP, Client, Query, Subnet
from graydns.snapshot.snapshot import Snapshot

_NAMESPACES = ("client:", "tls:", "tsig:")


def explain_steps(
    snapshot: Snapshot,
    name: str,
    rdtype: str,
    source: str | None,
    subnet: str | None,
    client: str | None,
    tags: Mapping[str, str] | Sequence[str] | None,
    transport: str,
    tenant: str | None,
) -> Generator[None, None, dict[str, Any]]:
    """How *snapshot* decides for a query, all that is said of the client being believed; a rule in a step.

    Raises ControlError.
    """
    if transport not in (UDP, TCP, TLS):
        raise ControlError(f"no transport {transport!r}; there are {UDP}, {TCP} and {TLS}")
    qname, qtype = read_question(name, rdtype)
    try:
        address = ip_address(source or "127.0.0.1")
        network = None if subnet is None else ip_network(subnet, strict=False)
    except ValueError as error:
        raise ControlError(str(error)) from None
    if client is not None and not client.startswith(_NAMESPACES):
        client = f"client:{client}"
    asker = Client(
        source=address.packed,
        transport=transport,
        subnet=None if network is None else Subnet(network.network_address.packed, network.prefixlen),
        identity=client,
        tags=tuple(sorted(_pairs(tags))),
        tenant=tenant or tenant_of(snapshot, str(address)),
        may_forward=True,
    )
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    query = Query(0, b"", question, qname, qtype, 1, asker, recursion_desired=True)
    explanation = yield from snapshot.explain_steps(query)
    rules = []
    for note in explanation.rules:
        rules.append(asdict(note))
        yield
    return {**plain(evolve(explanation, rules=()).to_data()), "rules": rules}


def read_name(name: str) -> bytes:
    """A name in wire form. Raises ControlError."""
    try:
        return from_text(name)
    except ValueError as error:
        raise ControlError(str(error)) from None


def read_question(name: str, rdtype: str) -> tuple[bytes, int]:
    """A name in wire form and a type. Raises ControlError."""
    try:
        return read_name(name), int(dns.rdatatype.from_text(rdtype))
    except ValueError as error:
        raise ControlError(str(error)) from None
    except dns.exception.DNSException:
        raise ControlError(f"unknown record type {rdtype}") from None


def tenant_of(snapshot: Snapshot, address: str) -> str:
    """The tenant that a sender belongs to by its address."""
    tenants = snapshot.config.tenants.items()
    clients = NetworkMap({network: name for name, tenant in tenants for network in tenant.clients})
    return str(clients.get(address) or DEFAULT_TENANT)


def _pairs(tags: Mapping[str, str] | Sequence[str] | None) -> list[tuple[str, str]]:
    if isinstance(tags, Mapping):
        return list(tags.items())
    pairs = [tag.partition("=") for tag in tags or ()]
    if any(not mark for _, mark, _ in pairs):
        raise ControlError("a tag is written KEY=VALUE")
    return [(key, value) for key, _, value in pairs]
