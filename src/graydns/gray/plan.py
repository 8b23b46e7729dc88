"""A Plan: what the router has prepared for one name and type.

::

    look at the client's address, if anything reads it
      → rules that block, give records or name an upstream → whitelist → rules that name a version
      → the fallback: weights, percent or ranges; the default version; or nothing applies

A step that cannot apply to a name is not in its plan, so that a plan costs what its name needs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from attrs import field, frozen

from graydns.gray.applicable_rules import ApplicableRules
from graydns.gray.client_key import KEY_TYPE_NONE, hash64
from graydns.gray.compiled_service import CompiledService, WhitelistEntry
from graydns.gray.decisions import DecideByClient, DecisionFactory
from graydns.gray.dimensions.dimension import NO_FACTS, ClientFacts, Reads, read_tested_address
from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation, GeoLocator
from graydns.gray.network_index import NetworkIndex, NetworkNumbers
from graydns.gray.rule_groups import combine_groups
from graydns.gray.rules import CompiledRule
from graydns.model.client import Client
from graydns.model.decision import Decision

LookUpClient = Callable[[Client], tuple[NetworkNumbers, ClientFacts]]
MakeDecision = Callable[[Any, Client], Decision]


class PlanStep(NamedTuple):
    """One step: *find* returns what applies to a client, or None; *make_decision* makes the Decision of it."""

    name: str
    find: Callable[[Client, NetworkNumbers, ClientFacts], Any]
    make_decision: MakeDecision


@frozen(eq=False)
class Plan:
    """How to decide for one name and type.

    *decide*: the Decision for a client. *constant_decision*: the Decision, if it is the same for all clients.
    *ecs_scope_v4*, *ecs_scope_v6*: the longest prefix that anything here reads. *reads_subnet_only*: whether of a
    client with a subnet, no identity and no tags it is the subnet alone that counts. *look_up_client*, *steps*,
    *fallback*: what *decide* is made of. *fallback_rule*: the rule behind *fallback*, if any.
    """

    decide: DecideByClient
    constant_decision: Decision | None
    ecs_scope_v4: int
    ecs_scope_v6: int
    reads_subnet_only: bool
    look_up_client: LookUpClient = field(repr=False)
    steps: tuple[PlanStep, ...]
    fallback: DecideByClient = field(repr=False)
    fallback_rule: CompiledRule | None

    @property
    def varies(self) -> bool:
        """Whether clients get different answers."""
        return self.constant_decision is None


def build_plan(
    tenant: str,
    parts: ApplicableRules,
    networks: NetworkIndex,
    geo: GeoLocator | None,
    clock: Callable[[], float] | None,
) -> Plan:
    """Make the plan of *parts*, specialised to what they need."""
    reach4, reach6 = parts.max_ecs_scope(4), parts.max_ecs_scope(16)
    verdicts = DecisionFactory(tenant, parts.service, parts.varies, reach4, reach6)
    look = _build_look_up(
        networks if parts.reads_network else None,
        geo if parts.reads(Reads.LOCATION) else None,
        clock if parts.reads(Reads.CLOCK) else None,
    )
    steps = tuple(_build_steps(parts, verdicts, networks))
    last = _fallback(parts, verdicts)
    if isinstance(last, Decision):
        single = None if steps else last
        last = _constant(last)
    else:
        single = None
    return Plan(
        decide=_build_decide(look, steps, last, parts.skips_anonymous),
        constant_decision=single,
        ecs_scope_v4=reach4,
        ecs_scope_v6=reach6,
        reads_subnet_only=parts.reads_subnet_only,
        look_up_client=look,
        steps=steps,
        fallback=last,
        fallback_rule=parts.certain_outcome or parts.certain_version,
    )


def _build_steps(parts: ApplicableRules, verdicts: DecisionFactory, networks: NetworkIndex) -> Iterator[PlanStep]:
    if any(group.unconditional_rule is None for group in parts.outcome_groups):
        yield PlanStep("rule", combine_groups(parts.outcome_groups), lambda rule, client: verdicts.for_rule(rule))
    if parts.has_whitelist and parts.service is not None:
        yield PlanStep("whitelist", _whitelist_finder(parts.service, networks), _whitelist_decider(verdicts))
    if any(group.unconditional_rule is None for group in parts.version_groups):
        yield PlanStep("rule", combine_groups(parts.version_groups), _version_decider(verdicts))


def _fallback(parts: ApplicableRules, verdicts: DecisionFactory) -> Decision | DecideByClient:
    """What clients get for whom no step has found anything."""
    if parts.certain_outcome:
        return verdicts.for_rule(parts.certain_outcome)
    if parts.service is None:
        return verdicts.no_match()
    if (rule := parts.certain_version) and rule.version is not None:
        return verdicts.for_version(rule.version, rule.ttl, personal=False)
    if parts.has_split:
        return _split_decider(parts.service, verdicts)
    return verdicts.for_version(parts.service.split.segments[0].version, None, personal=False)


def _build_decide(
    look: LookUpClient, steps: Sequence[PlanStep], last: DecideByClient, spares_strangers: bool
) -> DecideByClient:
    if not steps:
        return last
    pairs = tuple((step.find, step.make_decision) for step in steps)

    def decide(client: Client) -> Decision:
        nets, facts = look(client)
        if spares_strangers and not nets and client.identity is None and not client.tags:
            return last(client)
        for find, settle in pairs:
            if (found := find(client, nets, facts)) is not None:
                return settle(found, client)
        return last(client)

    return decide


def _build_look_up(
    networks: NetworkIndex | None, geo: GeoLocator | None, clock: Callable[[], float] | None
) -> LookUpClient:
    """What reads a client's address, its location and the time, as far as they are read (None = not)."""
    containing = networks.find_containing if networks is not None else _no_networks
    if clock is not None:
        locate, now = geo.locate if geo is not None else _no_location, clock

        def look_at_clock(client: Client) -> tuple[NetworkNumbers, ClientFacts]:
            address, prefix = read_tested_address(client)
            return containing(address, prefix), ClientFacts(locate(address), now())

        return look_at_clock
    if geo is not None:
        locate_only = geo.locate

        def look(client: Client) -> tuple[NetworkNumbers, ClientFacts]:
            address, prefix = read_tested_address(client)
            return containing(address, prefix), ClientFacts(locate_only(address))

        return look
    if networks is not None:
        return lambda client: (containing(*read_tested_address(client)), NO_FACTS)
    blind: tuple[NetworkNumbers, ClientFacts] = ((), NO_FACTS)
    return lambda client: blind


def _no_location(address: bytes) -> GeoLocation:
    return UNKNOWN_LOCATION


def _no_networks(address: bytes, prefix: int) -> NetworkNumbers:
    return ()


def _whitelist_finder(
    service: CompiledService, networks: NetworkIndex
) -> Callable[[Client, NetworkNumbers, ClientFacts], WhitelistEntry | None]:
    by_identity = service.whitelist_identities
    by_network = {networks.assign_number(network): listing for network, listing in service.whitelist_networks.items()}

    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> WhitelistEntry | None:
        identity = client.identity
        if identity is not None and identity in by_identity:
            return by_identity[identity]
        for number in nets:
            if number in by_network:
                return by_network[number]
        return None

    return find


def _whitelist_decider(verdicts: DecisionFactory) -> Callable[[WhitelistEntry, Client], Decision]:
    made: dict[tuple[str, bool], DecideByClient] = {}

    def settle(listing: WhitelistEntry, client: Client) -> Decision:
        key = listing.version, listing.by_identity
        if key not in made:
            made[key] = _constant(verdicts.for_version(listing.version, None, listing.by_identity))
        return made[key](client)

    return settle


def _version_decider(verdicts: DecisionFactory) -> Callable[[CompiledRule, Client], Decision]:
    made: dict[tuple[str, int | None, bool], DecideByClient] = {}

    def settle(rule: CompiledRule, client: Client) -> Decision:
        key = rule.version or "", rule.ttl, rule.conditions.is_personal
        if key not in made:
            made[key] = _constant(verdicts.for_version(*key))
        return made[key](client)

    return settle


def _split_decider(service: CompiledService, verdicts: DecisionFactory) -> DecideByClient:
    """What finds a client's bucket: one hash and a search among the split's edges."""
    read, hash_key, thresholds = service.client_key.read, service.cohort_key, service.split.thresholds
    versions = [segment.version for segment in service.split.segments]
    arms = tuple(map(verdicts.for_version_by_key, versions))
    keyless = verdicts.for_version_by_key(service.default)

    def share(client: Client) -> Decision:
        key = read(client)
        return arms[bisect_right(thresholds, hash64(hash_key, key))](key)

    def share_of_keyed(client: Client) -> Decision:
        key = read(client)
        return keyless(key) if key[0] == KEY_TYPE_NONE else arms[bisect_right(thresholds, hash64(hash_key, key))](key)

    return share if service.client_key.covers_every_client else share_of_keyed


def _constant(chosen: Decision | DecideByClient) -> DecideByClient:
    return (lambda client: chosen) if isinstance(chosen, Decision) else chosen
