"""Decision and Cohort: the verdict of the Router for one query.

Decisions are interned: a Plan hands out the same object for the same verdict, so that stores can key
by identity and the front needs no comparison of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from attrs import field, frozen

from graydns.model.client import Client


class Cohort(NamedTuple):
    """The set of clients that get the same answers for a name.

    *service*: the service's name, or the rule's name for rule outcomes, "" for the tenant's default
    cohort. *outcome*: version name, ``rule:NAME`` or "". *endpoint*: the first endpoint's name.
    """

    tenant: str
    service: str = ""
    outcome: str = ""
    endpoint: str = ""


class DecisionKind(Enum):
    """What a Decision asks of the pipeline."""

    PLAIN = "plain"  # no rule and no service: zone data or the upstream of the longest suffix
    VERSION = "version"  # a version of a service
    UNKNOWN = "unknown"  # a version of which nothing is known yet
    RECORDS = "records"  # records given by a rule
    BLOCK = "block"
    UPSTREAM = "upstream"  # the upstream group a rule names


class BlockAction(Enum):
    """The answer of a rule that blocks (docs/configuration.md, ``then.block``)."""

    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"


@frozen(eq=False)
class Decision:
    """Which answer a client gets for a name.

    *records*: for VERSION and RECORDS: rdata in wire form by type, in answer order, first endpoint
    first. *ttl*: TTL of those records in seconds. *ttl_cap*: upper bound for every TTL of the answer, None =
    none. *private*: chosen by identity or tag: TTL 0 and scope = SOURCE, as no shared cache may
    hand it on. *varies*: whether another client could get another answer for this name. *ecs_scope_v4*, *ecs_scope_v6*:
    the longest IPv4 / IPv6 prefix that anything applying to the name reads, 0 = none does. *stale*: whether the records
    are too old. *origin*: the service version or rule they come from.
    """

    cohort: Cohort
    kind: DecisionKind = DecisionKind.PLAIN
    records: Mapping[int, tuple[bytes, ...]] = field(factory=dict, repr=False)
    ttl: int = 0
    ttl_cap: int | None = None
    block: BlockAction | None = None
    upstream: str | None = None
    private: bool = False
    varies: bool = False
    ecs_scope_v4: int = 0
    ecs_scope_v6: int = 0
    stale: bool = False
    origin: object = field(default=None, repr=False)
    why: str = ""

    def max_ecs_scope(self, family: int) -> int:
        """The ECS scope of the verdict for IPv4 (4) or IPv6 (6), before SOURCE bounds it (RFC 7871 section 7.2.1)."""
        if self.private:
            return 32 if family == 4 else 128
        return self.ecs_scope_v4 if family == 4 else self.ecs_scope_v6

    def ecs_scope(self, client: Client) -> int:
        """The ECS scope this verdict has for *client*, 0 without a subnet."""
        if (subnet := client.subnet) is None:
            return 0
        return min(subnet.prefix, self.max_ecs_scope(4 if len(subnet.address) == 4 else 6))
