"""Request: a question as it is put to the servers of a group. Pure."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from graydns.model.client import Subnet
from graydns.model.dns_parameters import BADVERS, FORMERR, REFUSED
from graydns.model.query import Query
from graydns.upstream.server_groups import UpstreamGroup
from graydns.wire import edns
from graydns.wire.message import CD, HEADER_STRUCT, RD
from graydns.wire.render import render_query

#: Bits of a client's address that are passed on at most, by octets of the address (RFC 7871 section 11.1).
MAX_ECS_PREFIX_LENGTHS = {4: 24, 16: 56}

_SUBNET = struct.Struct("!HBB")


class RequestForm(IntEnum):
    """How much a query says beside its question."""

    FULL = 0
    NO_SUBNET = 1
    NO_EDNS = 2


class UpstreamRequest(NamedTuple):
    """*query* for *group*. *subnet*: what FULL tells of the client's, or None. *tags*: the option's data, or b""."""

    query: Query
    group: UpstreamGroup
    subnet: Subnet | None
    tags: bytes

    def make_message(self, form: RequestForm) -> bytes:
        """The query message with ID 0."""
        query = self.query
        if form is RequestForm.NO_EDNS:
            flags = RD | (CD if query.checking_disabled else 0)
            return HEADER_STRUCT.pack(0, flags, 1, 0, 0, 0) + query.question
        options = edns.encode_option(edns.TAGS, self.tags) if self.tags else b""
        if self.subnet is not None and form is RequestForm.FULL:
            options += edns.encode_option(edns.ECS, encode_subnet(self.subnet))
        return render_query(
            0,
            query.question,
            recursion_desired=True,
            checking_disabled=query.checking_disabled,
            dnssec_ok=query.dnssec_ok,
            payload=edns.DEFAULT_UDP_PAYLOAD_BYTES,
            options=options,
        )

    def find_fallback_form(self, form: RequestForm, rcode: int) -> RequestForm | None:
        """The form that a server which answered *form* with *rcode* may like better; None if there is none.

        FORMERR and BADVERS come from servers that cannot read EDNS (RFC 6891 sections 6.1.3 and 7), REFUSED from some
        that want no client subnet (RFC 7871 section 7.3).
        """
        if rcode in (FORMERR, BADVERS) and form is not RequestForm.NO_EDNS:
            return RequestForm.NO_EDNS
        if rcode == REFUSED and form is RequestForm.FULL and self.subnet is not None:
            return RequestForm.NO_SUBNET
        return None


def make_request(query: Query, group: UpstreamGroup) -> UpstreamRequest:
    """*query* with as much of its client as *group* may know."""
    tags = ",".join(map("=".join, select_tags(query, group))).encode() if group.tags else b""
    return UpstreamRequest(query, group, select_subnet(query, group), tags)


def select_subnet(query: Query, group: UpstreamGroup) -> Subnet | None:
    """The client subnet that *group* is sent with *query*, cut to what may be passed on; SOURCE 0 stays 0."""
    subnet = query.client.subnet if group.ecs else None
    if subnet is None or subnet.prefix <= (most := MAX_ECS_PREFIX_LENGTHS[len(subnet.address)]):
        return subnet
    return Subnet(subnet.address[: most // 8].ljust(len(subnet.address), b"\0"), most)


def select_tags(query: Query, group: UpstreamGroup) -> tuple[tuple[str, str], ...]:
    """The client's tags that *group* is sent with *query*."""
    return query.client.tags if group.tags else ()


def encode_subnet(subnet: Subnet) -> bytes:
    """The data of the option in a query (RFC 7871 section 6)."""
    family = 1 if len(subnet.address) == 4 else 2
    return _SUBNET.pack(family, subnet.prefix, 0) + subnet.address[: (subnet.prefix + 7) // 8]
