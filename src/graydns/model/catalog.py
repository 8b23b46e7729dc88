"""The catalog: what Consul last said about services and nodes, as immutable views.

A view is a new object each time that what it says has changed, never otherwise: it is the Origin of the answers made
from it. Names and tags are compared without regard to letter case, as Consul does.

Also the figures of the feed, for operators and metrics.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from itertools import chain
from typing import Any, NamedTuple, Protocol

from attrs import field, frozen
from dns.rdatatype import AAAA, CNAME, A

from graydns.model.client import unmap_ipv4
from graydns.model.name import from_text

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"


class InstanceWeights(NamedTuple):
    """An instance's share, 0 to 65,535, while it passes and while it warns."""

    passing: int
    warning: int


#: Of an instance that was registered without.
DEFAULT_WEIGHTS = InstanceWeights(1, 1)


@frozen
class ServiceInstance:
    """One instance of a service.

    *id*: unique on its *node*. *address*: an IP address or a host name; empty = it has the *node_address*. *port*: None
    = a number that is no port was registered. *tags*, *meta*: as registered. *status*: PASSING, WARNING or CRITICAL,
    the worst of its own checks and of its node's.
    """

    node: str
    node_address: str
    service: str
    id: str
    address: str = ""
    port: int | None = 0
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(factory=dict)
    weights: InstanceWeights = DEFAULT_WEIGHTS
    status: str = PASSING

    @property
    def host(self) -> str:
        """Where it can be reached: an IP address or a host name."""
        return self.address or self.node_address

    @property
    def weight(self) -> int:
        """Its share in the state it is in."""
        if self.status == CRITICAL:
            return 0
        return self.weights.passing if self.status == PASSING else self.weights.warning

    @property
    def qualified_id(self) -> str:
        """What tells it from all other instances of its service."""
        return f"{self.node}/{self.id}"


@frozen(eq=False)
class InstanceSelection:
    """The instances of a service that a name stands for.

    *tag*: lowered; empty = whatever their tags. *instances*: the first *leading_count* of them may lead an answer;
    those of weight 0 do so only if there are no others. *derived*: what others have made of it, to be kept as long as
    it.
    """

    service: str
    tag: str
    instances: tuple[ServiceInstance, ...]
    leading_count: int
    derived: dict[Hashable, Any] = field(init=False, factory=dict, repr=False)

    def iterate_indexes(self, first: int) -> Iterator[int]:
        """The numbers of all instances as an answer has them that number *first* leads."""
        return chain(range(first, self.leading_count), range(first), range(self.leading_count, len(self.instances)))


@frozen(eq=False)
class LeadingInstance:
    """An InstanceSelection whose instance number *first* leads: the ``origin`` of the Decision for a name of the
    catalog."""

    selection: InstanceSelection
    first: int


@frozen(eq=False)
class ServiceView:
    """One service as Consul's health endpoint reports it; without *instances*: there is no such service."""

    name: str
    instances: tuple[ServiceInstance, ...] = ()
    _selections: dict[tuple[str, bool], InstanceSelection] = field(init=False, factory=dict, repr=False)

    def select(self, tag: str = "", *, only_passing: bool = False) -> InstanceSelection:
        """The instances with *tag* that are not critical, or that pass; the same object for the same question."""
        tag = tag.lower()
        if (found := self._selections.get((tag, only_passing))) is None:
            found = self._select(tag, only_passing)
            if found.instances:  # clients can ask for tags without end, but not for such as instances have
                self._selections[tag, only_passing] = found
        return found

    def _select(self, tag: str, only_passing: bool) -> InstanceSelection:
        taken = [
            instance
            for instance in self.instances
            if (instance.status == PASSING if only_passing else instance.status != CRITICAL)
            and (not tag or tag in map(str.lower, instance.tags))
        ]
        leading = [instance for instance in taken if instance.weight]
        rest = [instance for instance in taken if not instance.weight]
        return InstanceSelection(self.name, tag, (*leading, *rest), len(leading) or len(rest))


@frozen(eq=False)
class NodeView:
    """One node; *address* None: there is no such node."""

    name: str
    address: str | None
    meta: Mapping[str, str] = field(factory=dict)


#: What answers of the catalog are made of.
CatalogView = ServiceView | NodeView


class Catalog(Protocol):
    """What is known; names come lowered. None = not known yet: the query has to wait until a watch has delivered it."""

    def service(self, name: str) -> ServiceView | None:
        """The service of this name."""

    def node(self, name: str) -> NodeView | None:
        """The node of this name."""


@frozen
class CatalogFeedFigures:
    """*known*: services and nodes; *watches*: those of them with a watch of their own; *shared*: those without.

    *age*: seconds since Consul last confirmed what has been waiting longest for that. *stale*: how many are so old that
    their answers say so. *doubted*: how many have vanished, or lost instances, in a way that does not prove it.
    *unread*: instances that are left out as what Consul says of them is not understood. *errors*: so far. *last_error*:
    the last of them, None = there was none.
    """

    known: int
    watches: int
    shared: int
    age: float
    stale: int
    doubted: int
    unread: int
    errors: int
    last_error: str | None


#: What stands in no host name, but in an IPv6 address, with a port or a zone (RFC 4007 section 11) after it too.
_ADDRESS_CHARACTERS = frozenset(":%")


def host_record(host: str) -> tuple[int, bytes] | None:
    """The type, A, AAAA or CNAME, and rdata of an IP address or host name; None if it is neither.

    IPv4 within IPv6 (RFC 4291 section 2.5.5.2) is IPv4. A zone is known to one machine only, so an address with one
    is none. A name does not end in digits alone (RFC 1123 section 2.1): that would be an address.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return _cname_record(host)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    address = unmap_ipv4(address)
    return int(A if address.version == 4 else AAAA), address.packed


def _cname_record(host: str) -> tuple[int, bytes] | None:
    last = host.rstrip(".").rpartition(".")[2]
    if not last or (last.isascii() and last.isdigit()) or _ADDRESS_CHARACTERS.intersection(host):
        return None
    try:
        return int(CNAME), from_text(host)
    except ValueError:
        return None
