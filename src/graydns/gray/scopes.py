"""The scopes of a tenant: a zone's rules see the names of that zone, the tenant's own rules see every name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graydns.gray.bundle import Bundle
from graydns.gray.networks import Networks
from graydns.gray.rules import CompiledRule
from graydns.gray.scope import Scope
from graydns.model.name import suffixes


class Scopes:
    """One Scope for each zone and one for the tenant."""

    def __init__(self, zones: Iterable[bytes], networks: Networks) -> None:
        self._everywhere = Scope(networks)
        self._zones = {zone: Scope(networks) for zone in zones}

    def add(self, rule: CompiledRule) -> Bundle:
        """File *rule* in its scope; returns the bundle it is in."""
        return (self._everywhere if rule.zone is None else self._zones[rule.zone]).add(rule)

    def seal(self) -> Iterator[None]:
        """Build what many rules share, in small steps; nothing may be added afterwards. Raises re2.error."""
        for scope in (self._everywhere, *self._zones.values()):
            yield from scope.seal()

    def zone(self, qname: bytes) -> bytes | None:
        """The zone that *qname* belongs to: the tenant's longest that it is in."""
        if not self._zones:
            return None
        return next((suffix for suffix in suffixes(qname) if suffix in self._zones), None)

    def matching(self, qname: bytes) -> list[Bundle]:
        """The bundles of rules that see *qname*, always in the same order."""
        found = self._everywhere.matching(qname)
        if (zone := self.zone(qname)) is not None:
            found += self._zones[zone].matching(qname)
        return found

    def remains(self) -> Iterator[None]:
        """What takes all of it apart in small steps, once this object is gone: it does not hold it."""
        return _release((self._everywhere, *self._zones.values()))


def _release(scopes: Iterable[Scope]) -> Iterator[None]:
    for scope in scopes:
        yield from scope.release()
