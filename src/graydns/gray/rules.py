"""Rules, compiled: normal conditions, one outcome, and a place in the order in which they win."""

from __future__ import annotations

from attrs import field, frozen

from graydns.gray.conditions import Conditions, rank, read_conditions
from graydns.gray.faults import Faults
from graydns.gray.records import Wire, read_records
from graydns.model.decision import Block
from graydns.model.policy import Rule, Then

#: Of two rules that match, the one with the smaller order wins: rank, then priority, then name (zone last).
Order = tuple[int, int, str, bytes]

#: Seconds that records given by a rule may be kept, if neither the rule nor a service says.
RECORDS_TTL = 5

#: The largest TTL (RFC 2181 section 8).
MAX_TTL = (1 << 31) - 1


@frozen(eq=False)
class CompiledRule:
    """A rule ready to be indexed; the ``origin`` of the answers it gives.

    *zone*: the zone whose names alone it sees, None = every name asked in the tenant. Exactly one of *version*,
    *records*, *block* and *upstream* is set.
    """

    name: str
    zone: bytes | None
    conditions: Conditions
    order: Order = field(repr=False)
    priority: int = 0
    version: str | None = None
    records: Wire | None = field(default=None, repr=False)
    block: Block | None = None
    upstream: str | None = None
    ttl: int | None = None

    @property
    def outcome(self) -> str:
        """What it does, for people."""
        if self.version is not None:
            return f"version {self.version}"
        if self.block is not None:
            return f"block {self.block.value}"
        return "records" if self.upstream is None else f"upstream {self.upstream}"


def compile_rule(rule: Rule, zone: bytes | None, faults: Faults) -> CompiledRule:
    """Normalise *rule*; what is wrong in it is added to *faults*."""
    conditions = read_conditions(rule.when, faults.under("when"))
    then, place = rule.then, faults.under("then")
    return CompiledRule(
        name=rule.name,
        zone=zone,
        conditions=conditions,
        order=(-rank(conditions), -rule.priority, rule.name, zone or b""),
        priority=rule.priority,
        version=then.version,
        records=None if then.records is None else read_records(then.records, place.under("records")),
        block=None if then.block is None else _read_block(then.block, place),
        upstream=then.upstream,
        ttl=_read_ttl(then, place),
    )


def _read_block(text: str, faults: Faults) -> Block | None:
    try:
        return Block(text)
    except ValueError:
        faults.add(f"{text!r}", f"one of {', '.join(block.value for block in Block)}", "block")
        return None


def _read_ttl(then: Then, faults: Faults) -> int | None:
    given = [way for way in ("version", "records", "block", "upstream") if getattr(then, way) is not None]
    if len(given) != 1:
        faults.add(" and ".join(given) or "no outcome", "exactly one of version, records, block, upstream")
    if then.ttl is not None and not 0 <= then.ttl <= MAX_TTL:
        faults.add(f"{then.ttl} s", f"0 to {MAX_TTL} s", "ttl")
    return then.ttl
