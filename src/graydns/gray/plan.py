"""A Plan: what the router has prepared for one name and type.

::

    look at the client's address, if anything reads it
      → rules that block, give records or name an upstream → whitelist → rules that name a version
      → the last word: weights, percent or ranges; the default version; or nothing applies

A step that has nothing to say for a name is not in its plan, so that a plan costs what its name needs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from attrs import field, frozen

from graydns.gray.geo import NOWHERE, Geo, Place
from graydns.gray.groups import seek
from graydns.gray.key import NOBODY, hash64
from graydns.gray.networks import Nets, Networks
from graydns.gray.parts import Parts
from graydns.gray.rules import CompiledRule
from graydns.gray.service import CompiledService, Listing
from graydns.gray.verdicts import Choose, Verdicts
from graydns.model.decision import Decision
from graydns.model.query import Client

Look = Callable[[Client], tuple[Nets, Place]]
Settle = Callable[[Any, Client], Decision]


class Step(NamedTuple):
    """One step: *find* what speaks for a client, or None; *settle* makes the Decision of what was found."""

    name: str
    find: Callable[[Client, Nets, Place], Any]
    settle: Settle


@frozen(eq=False)
class Plan:
    """How to decide for one name and type.

    *decide*: the verdict for a client. *single*: the verdict, if it is the same for all clients. *varies*: whether
    it is not. *reach4*, *reach6*: the longest prefix that anything here reads. *by_subnet*: whether of
    a client with a subnet, no identity and no tags it is the subnet alone that counts. *look*, *steps*, *last*: what
    *decide* is made of. *certain*: the rule that *last* follows, if one.
    """

    decide: Choose
    single: Decision | None
    reach4: int
    reach6: int
    by_subnet: bool
    look: Look = field(repr=False)
    steps: tuple[Step, ...]
    last: Choose = field(repr=False)
    certain: CompiledRule | None

    @property
    def varies(self) -> bool:
        """Whether clients get different answers."""
        return self.single is None


def build_plan(tenant: str, parts: Parts, networks: Networks, geo: Geo | None) -> Plan:
    """Make the plan of *parts*, specialised to what they need."""
    reach4, reach6 = parts.reach(4), parts.reach(16)
    verdicts = Verdicts(tenant, parts.service, parts.varies, reach4, reach6)
    look = _look(networks if parts.reads_network else None, geo if parts.reads_place else None)
    steps = tuple(_steps(parts, verdicts, networks))
    last = _last(parts, verdicts)
    if isinstance(last, Decision):
        single = None if steps else last
        last = _constant(last)
    else:
        single = None
    return Plan(
        decide=_decide(look, steps, last, parts.spares_strangers),
        single=single,
        reach4=reach4,
        reach6=reach6,
        by_subnet=parts.reads_subnet_only,
        look=look,
        steps=steps,
        last=last,
        certain=parts.settled or parts.named,
    )


def _steps(parts: Parts, verdicts: Verdicts, networks: Networks) -> Iterator[Step]:
    if any(group.always is None for group in parts.outright):
        yield Step("rule", seek(parts.outright), lambda rule, client: verdicts.of_rule(rule))
    if parts.whitelists and parts.service is not None:
        yield Step("whitelist", _find_listing(parts.service, networks), _settle_listing(verdicts))
    if any(group.always is None for group in parts.naming):
        yield Step("rule", seek(parts.naming), _settle_naming(verdicts))


def _last(parts: Parts, verdicts: Verdicts) -> Decision | Choose:
    """What clients get for whom no step has found anything."""
    if parts.settled:
        return verdicts.of_rule(parts.settled)
    if parts.service is None:
        return verdicts.plain()
    if (rule := parts.named) and rule.version is not None:
        return verdicts.version(rule.version, rule.ttl, personal=False)
    if parts.splits:
        return _share(parts.service, verdicts)
    return verdicts.version(parts.service.split.segments[0].version, None, personal=False)


def _decide(look: Look, steps: Sequence[Step], last: Choose, spares_strangers: bool) -> Choose:
    if not steps:
        return last
    pairs = tuple((step.find, step.settle) for step in steps)

    def decide(client: Client) -> Decision:
        nets, place = look(client)
        if spares_strangers and not nets and client.identity is None and not client.tags:
            return last(client)
        for find, settle in pairs:
            if (found := find(client, nets, place)) is not None:
                return settle(found, client)
        return last(client)

    return decide


def _look(networks: Networks | None, geo: Geo | None) -> Look:
    """What reads a client's address, as far as it is read."""
    if geo is not None:
        containing, place = networks.containing if networks is not None else _in_none, geo.place

        def look(client: Client) -> tuple[Nets, Place]:
            address, prefix = _address(client)
            return containing(address, prefix), place(address)

        return look
    if networks is not None:
        only_containing = networks.containing
        return lambda client: (only_containing(*_address(client)), NOWHERE)
    blind: tuple[Nets, Place] = ((), NOWHERE)
    return lambda client: blind


def _address(client: Client) -> tuple[bytes, int]:
    """What rules test, and its bits: the trusted subnet, unless it withholds all bits, else the sender."""
    subnet = client.subnet
    return subnet if subnet is not None and subnet.prefix else (client.source, 8 * len(client.source))


def _in_none(address: bytes, prefix: int) -> Nets:
    return ()


def _find_listing(service: CompiledService, networks: Networks) -> Callable[[Client, Nets, Place], Listing | None]:
    by_identity = service.listed
    by_network = {networks.number(network): listing for network, listing in service.networks.items()}

    def find(client: Client, nets: Nets, place: Place) -> Listing | None:
        identity = client.identity
        if identity is not None and identity in by_identity:
            return by_identity[identity]
        for number in nets:
            if number in by_network:
                return by_network[number]
        return None

    return find


def _settle_listing(verdicts: Verdicts) -> Callable[[Listing, Client], Decision]:
    made: dict[tuple[str, bool], Choose] = {}

    def settle(listing: Listing, client: Client) -> Decision:
        key = listing.version, listing.personal
        if key not in made:
            made[key] = _constant(verdicts.version(listing.version, None, listing.personal))
        return made[key](client)

    return settle


def _settle_naming(verdicts: Verdicts) -> Callable[[CompiledRule, Client], Decision]:
    made: dict[tuple[str, int | None, bool], Choose] = {}

    def settle(rule: CompiledRule, client: Client) -> Decision:
        key = rule.version or "", rule.ttl, rule.conditions.is_personal
        if key not in made:
            made[key] = _constant(verdicts.version(*key))
        return made[key](client)

    return settle


def _share(service: CompiledService, verdicts: Verdicts) -> Choose:
    """What finds a client's bucket: one hash and a search among the split's edges."""
    read, hash_key, thresholds = service.key.read, service.cohort_key, service.split.thresholds
    versions = [segment.version for segment in service.split.segments]
    arms = tuple(map(verdicts.version_by_key, versions))
    keyless = verdicts.version_by_key(service.default)

    def share(client: Client) -> Decision:
        key = read(client)
        return arms[bisect_right(thresholds, hash64(hash_key, key))](key)

    def share_of_keyed(client: Client) -> Decision:
        key = read(client)
        return keyless(key) if key[0] == NOBODY else arms[bisect_right(thresholds, hash64(hash_key, key))](key)

    return share if service.key.total else share_of_keyed


def _constant(chosen: Decision | Choose) -> Choose:
    return (lambda client: chosen) if isinstance(chosen, Decision) else chosen
