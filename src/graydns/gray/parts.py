"""What can apply to one name and type, and what all of it reads of a client."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from graydns.gray.groups import Group
from graydns.gray.rules import CompiledRule
from graydns.gray.service import CompiledService


@frozen
class Parts:
    """The parts of a plan.

    *outright*: rules that block, give records or name an upstream; *naming*: rules that name a version; each by
    best rank and without what an unconditional rule outranks. *service*: None if the name is none.
    """

    outright: tuple[Group, ...]
    naming: tuple[Group, ...]
    service: CompiledService | None

    @property
    def settled(self) -> CompiledRule | None:
        """The outright rule that every client matches: nothing after it can apply."""
        return self.outright[-1].always if self.outright else None

    @property
    def named(self) -> CompiledRule | None:
        """The version rule that every client matches: the split cannot apply."""
        return self.naming[-1].always if self.naming else None

    @property
    def whitelists(self) -> bool:
        """Whether a whitelist applies."""
        service = None if self.settled else self.service
        return service is not None and bool(service.listed or service.networks)

    @property
    def splits(self) -> bool:
        """Whether a share between versions applies."""
        service = None if self.settled or self.named else self.service
        return service is not None and bool(service.split.thresholds)

    @property
    def hashes(self) -> bool:
        """Whether a hash over the client key can apply: to find a version, or an endpoint of one."""
        if self.settled or self.service is None:
            return False
        pools = self.service.pools
        return self.splits or any(not pools[version].is_fixed for version in self._versions(self.service))

    @property
    def reads_network(self) -> bool:
        """Whether anything tests in which networks an address is."""
        listed = self.whitelists and self.service is not None and bool(self.service.networks)
        return listed or any(group.shape.network for group in (*self.outright, *self.naming))

    @property
    def reads_place(self) -> bool:
        """Whether anything tests where an address is."""
        return any(group.shape.is_geographic for group in (*self.outright, *self.naming))

    @property
    def reads_subnet_only(self) -> bool:
        """Whether, of a client with a subnet (SOURCE above 0) and no identity and no tags, it is the subnet alone."""
        by_source = self.hashes and self.service is not None and not self.service.key.reach4
        return not by_source and not any(group.shape.transport for group in (*self.outright, *self.naming))

    @property
    def spares_strangers(self) -> bool:
        """Whether no rule and no whitelist can speak for a client without identity and tags that is in no network."""
        shapes = [group.shape for group in (*self.outright, *self.naming) if group.always is None]
        return all(shape.network or shape.identity or shape.tags for shape in shapes)

    @property
    def varies(self) -> bool:
        """Whether another client could get another answer."""
        conditional = any(group.always is None for group in (*self.outright, *self.naming))
        return conditional or self.whitelists or self.hashes

    @property
    def reads_address(self) -> bool:
        """Whether anything reads any of a client's addresses."""
        by_hash = self.hashes and self.service is not None and self.service.key.addressed
        return by_hash or self.reads_network or self.reads_place

    def reach(self, size: int) -> int:
        """The longest prefix that anything reads of a client subnet of *size* bytes (4 or 16).

        It is 0 only if no address of any family is read: caches take a scope of 0 to hold for askers of the other
        family, and for those without a subnet, whose own address is tested.
        """
        groups = (*self.outright, *self.naming)
        read = [0, *(group.reach4 if size == 4 else group.reach6 for group in groups)]
        if self.service is not None:
            if self.whitelists:
                read += [network.prefix for network in self.service.networks if len(network.address) == size]
            if self.hashes:
                read.append(self.service.key.reach4 if size == 4 else self.service.key.reach6)
        return max(1 if self.reads_address else 0, *read)

    def _versions(self, service: CompiledService) -> set[str]:
        """The versions that a client can come to."""
        versions = {group.version for group in self.naming if group.version is not None}
        if self.whitelists:
            versions |= {listing.version for listing in (*service.listed.values(), *service.networks.values())}
        if not self.named:
            versions |= {segment.version for segment in service.split.segments}
        return versions


def applicable(groups: Iterable[Group], service: CompiledService | None) -> Parts:
    """Sort *groups* by best rank and leave out what cannot apply."""
    by_rank = sorted(groups, key=lambda group: group.first)
    outright = _up_to_certain(group for group in by_rank if group.version is None)
    if outright and outright[-1].always:
        return Parts(outright, (), service)
    return Parts(outright, _up_to_certain(group for group in by_rank if group.version is not None), service)


def _up_to_certain(groups: Iterable[Group]) -> tuple[Group, ...]:
    """*groups* up to and with the first that every client matches."""
    kept: list[Group] = []
    for group in groups:
        kept.append(group)
        if group.always:
            break
    return tuple(kept)
