"""What can apply to one name and type, and what all of it reads of a client."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from graydns.gray.compiled_service import CompiledService
from graydns.gray.dimensions.dimension import Reads
from graydns.gray.rule_groups import RuleGroup
from graydns.gray.rules import CompiledRule


@frozen
class ApplicableRules:
    """The parts of a plan.

    *outcome_groups*: rules that block, give records or name an upstream; *version_groups*: rules that name a version;
    each by best rank and without what an unconditional rule outranks. *service*: None if the name is none.
    """

    outcome_groups: tuple[RuleGroup, ...]
    version_groups: tuple[RuleGroup, ...]
    service: CompiledService | None

    @property
    def certain_outcome(self) -> CompiledRule | None:
        """The outright rule that every client matches: nothing after it can apply."""
        return self.outcome_groups[-1].unconditional_rule if self.outcome_groups else None

    @property
    def certain_version(self) -> CompiledRule | None:
        """The version rule that every client matches: the split cannot apply."""
        return self.version_groups[-1].unconditional_rule if self.version_groups else None

    @property
    def has_whitelist(self) -> bool:
        """Whether a whitelist applies."""
        service = None if self.certain_outcome else self.service
        return service is not None and bool(service.whitelist_identities or service.whitelist_networks)

    @property
    def has_split(self) -> bool:
        """Whether a share between versions applies."""
        service = None if self.certain_outcome or self.certain_version else self.service
        return service is not None and bool(service.split.thresholds)

    @property
    def uses_hash(self) -> bool:
        """Whether a hash over the client key can apply: to find a version, or an endpoint of one."""
        if self.certain_outcome or self.service is None:
            return False
        pools = self.service.pools
        return self.has_split or any(not pools[version].is_fixed for version in self._versions(self.service))

    @property
    def reads_network(self) -> bool:
        """Whether anything tests in which networks an address is."""
        listed = self.has_whitelist and self.service is not None and bool(self.service.whitelist_networks)
        return listed or any(group.tested.network for group in (*self.outcome_groups, *self.version_groups))

    def reads(self, what: Reads) -> bool:
        """Whether a rule reads any of *what*."""
        return any(group.tested.reads & what for group in (*self.outcome_groups, *self.version_groups))

    @property
    def reads_subnet_only(self) -> bool:
        """Whether, of a client with a subnet (SOURCE above 0) and no identity and no tags, it is the subnet alone."""
        by_source = self.uses_hash and self.service is not None and not self.service.client_key.ecs_scope_v4
        return not by_source and not self.reads(Reads.TRANSPORT | Reads.CLOCK)

    @property
    def skips_anonymous(self) -> bool:
        """Whether no rule and no whitelist can apply to a client without identity and tags that is in no network."""
        groups = (*self.outcome_groups, *self.version_groups)
        conditional = [group.tested for group in groups if group.unconditional_rule is None]
        return all(tested.network or tested.reads & Reads.IDENTITY for tested in conditional)

    @property
    def varies(self) -> bool:
        """Whether another client could get another answer."""
        conditional = any(group.unconditional_rule is None for group in (*self.outcome_groups, *self.version_groups))
        return conditional or self.has_whitelist or self.uses_hash

    @property
    def reads_address(self) -> bool:
        """Whether anything reads any of a client's addresses."""
        by_hash = self.uses_hash and self.service is not None and self.service.client_key.reads_address
        return by_hash or self.reads_network or self.reads(Reads.LOCATION)

    def max_ecs_scope(self, size: int) -> int:
        """The longest prefix that anything reads of a client subnet of *size* bytes (4 or 16).

        It is 0 only if no address of any family is read: caches take a scope of 0 to hold for clients of the other
        family, and for those without a subnet, whose own address is tested.
        """
        groups = (*self.outcome_groups, *self.version_groups)
        read = [0, *(group.ecs_scope_v4 if size == 4 else group.ecs_scope_v6 for group in groups)]
        if self.service is not None:
            if self.has_whitelist:
                read += [network.prefix for network in self.service.whitelist_networks if len(network.address) == size]
            if self.uses_hash:
                read.append(self.service.client_key.ecs_scope_v4 if size == 4 else self.service.client_key.ecs_scope_v6)
        return max(1 if self.reads_address else 0, *read)

    def _versions(self, service: CompiledService) -> set[str]:
        """The versions that a client can come to."""
        versions = {group.version for group in self.version_groups if group.version is not None}
        if self.has_whitelist:
            versions |= {
                listing.version
                for listing in (*service.whitelist_identities.values(), *service.whitelist_networks.values())
            }
        if not self.certain_version:
            versions |= {segment.version for segment in service.split.segments}
        return versions


def select_applicable(groups: Iterable[RuleGroup], service: CompiledService | None) -> ApplicableRules:
    """Sort *groups* by best rank and leave out what cannot apply."""
    by_rank = sorted(groups, key=lambda group: group.best_order)
    outright = _cut_after_unconditional(group for group in by_rank if group.version is None)
    if outright and outright[-1].unconditional_rule:
        return ApplicableRules(outright, (), service)
    return ApplicableRules(
        outright, _cut_after_unconditional(group for group in by_rank if group.version is not None), service
    )


def _cut_after_unconditional(groups: Iterable[RuleGroup]) -> tuple[RuleGroup, ...]:
    """*groups* up to and with the first that every client matches."""
    kept: list[RuleGroup] = []
    for group in groups:
        kept.append(group)
        if group.unconditional_rule:
            break
    return tuple(kept)
