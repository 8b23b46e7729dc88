"""Request: a question as it is put to the servers of a group. Pure."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from graydns.model.query import Query, Subnet
from graydns.model.rcode import BADVERS, FORMERR, REFUSED
from graydns.upstream.group import UpstreamGroup
from graydns.wire import edns
from graydns.wire.ask import ask
from graydns.wire.header import CD, HEADER, RD

#: Bits of a client's address that are passed on at most, by octets of the address (RFC 7871 section 11.1).
MOST_BITS = {4: 24, 16: 56}

_SUBNET = struct.Struct("!HBB")


class Form(IntEnum):
    """How much a query says beside its question."""

    FULL = 0
    NO_SUBNET = 1
    NO_EDNS = 2


class Request(NamedTuple):
    """*query* for *group*. *subnet*: what FULL tells of the client's, or None. *tags*: the option's data, or b""."""

    query: Query
    group: UpstreamGroup
    subnet: Subnet | None
    tags: bytes

    def message(self, form: Form) -> bytes:
        """The query message with ID 0."""
        query = self.query
        if form is Form.NO_EDNS:
            flags = RD | (CD if query.checking_disabled else 0)
            return HEADER.pack(0, flags, 1, 0, 0, 0) + query.question
        options = edns.option(edns.TAGS, self.tags) if self.tags else b""
        if self.subnet is not None and form is Form.FULL:
            options += edns.option(edns.ECS, subnet_wire(self.subnet))
        return ask(
            0,
            query.question,
            recursion_desired=True,
            checking_disabled=query.checking_disabled,
            dnssec_ok=query.dnssec_ok,
            payload=edns.DEFAULT_PAYLOAD,
            options=options,
        )

    def simpler(self, form: Form, rcode: int) -> Form | None:
        """The form that a server which answered *form* with *rcode* may like better; None if there is none.

        FORMERR and BADVERS come from servers that cannot read EDNS (RFC 6891 sections 6.1.3 and 7), REFUSED from some
        that want no client subnet (RFC 7871 section 7.3).
        """
        if rcode in (FORMERR, BADVERS) and form is not Form.NO_EDNS:
            return Form.NO_EDNS
        if rcode == REFUSED and form is Form.FULL and self.subnet is not None:
            return Form.NO_SUBNET
        return None


def make_request(query: Query, group: UpstreamGroup) -> Request:
    """*query* with as much of its client as *group* may know."""
    tags = ",".join(map("=".join, told_tags(query, group))).encode() if group.tags else b""
    return Request(query, group, told_subnet(query, group), tags)


def told_subnet(query: Query, group: UpstreamGroup) -> Subnet | None:
    """The client subnet that *group* is told with *query*, cut to what may be passed on; SOURCE 0 stays 0."""
    subnet = query.client.subnet if group.ecs else None
    if subnet is None or subnet.prefix <= (most := MOST_BITS[len(subnet.address)]):
        return subnet
    return Subnet(subnet.address[: most // 8].ljust(len(subnet.address), b"\0"), most)


def told_tags(query: Query, group: UpstreamGroup) -> tuple[tuple[str, str], ...]:
    """The client's tags that *group* is told with *query*."""
    return query.client.tags if group.tags else ()


def subnet_wire(subnet: Subnet) -> bytes:
    """The data of the option in a query (RFC 7871 section 6)."""
    family = 1 if len(subnet.address) == 4 else 2
    return _SUBNET.pack(family, subnet.prefix, 0) + subnet.address[: (subnet.prefix + 7) // 8]
