"""What a reply says of the client subnet that it was asked with (RFC 7871 section 7.3)."""

from __future__ import annotations

from graydns.upstream.reply_parser import InvalidReply, UpstreamReply
from graydns.upstream.upstream_request import RequestForm, UpstreamRequest, encode_subnet
from graydns.wire.edns import ECS

#: Octets of the option before its address: family, source, scope.
_ECS_HEADER_BYTES = 4


def find_scope(reply: UpstreamReply, request: UpstreamRequest, form: RequestForm) -> tuple[int | None, bool]:
    """The scope of the answer, and whether any client of its cohort may get it.

    The scope is None for a group that is never told subnets. It is never longer than what was told, since nothing is
    known of the rest. An answer to nobody's subnet is for others that have none. Raises InvalidReply if the reply is
    to another subnet.
    """
    group, subnet = request.group, request.subnet
    if not group.ecs:
        return None, not request.tags
    if subnet is None or not subnet.prefix:
        return 0, False
    scope = min(_read_scope(reply, encode_subnet(subnet)), subnet.prefix) if form is RequestForm.FULL else 0
    return scope, not scope and not request.tags


def _read_scope(reply: UpstreamReply, sent: bytes) -> int:
    """SCOPE PREFIX-LENGTH; 0 without the option, which means everyone (RFC 7871 section 7.3)."""
    for code, data in reply.iterate_options():
        if code == ECS:
            if len(data) != len(sent) or data[:3] != sent[:3] or data[_ECS_HEADER_BYTES:] != sent[_ECS_HEADER_BYTES:]:
                raise InvalidReply("a client subnet that was not sent")
            return data[3]
    return 0
