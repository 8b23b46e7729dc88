"""What the keys of graydns.yaml say about each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from graydns.config.address import Door, Network
from graydns.config.main import Settings
from graydns.config.misfit import Misfit
from graydns.config.policy import repeated_names
from graydns.model.errors import IssuePath
from graydns.model.name import to_text
from graydns.model.policy import Rule


def check_settings(settings: Settings, broken: Collection[str]) -> Iterator[Misfit]:
    """Yield all that is wrong across keys; keys in *broken* are not judged again."""
    yield from door_misfits(settings, broken)
    yield from empty_upstreams(settings)
    yield from shared_clients(settings)
    for tenant_id, tenant in settings.tenants.items():
        for misfit in repeated_names(tenant.rules):
            yield misfit.under("tenants", tenant_id, "rules")
    if "upstreams" not in broken:
        yield from unknown_upstreams(settings)


def doors(settings: Settings) -> Iterator[tuple[IssuePath, Door]]:
    """Every endpoint that graydns is told to listen on, and where that is written."""
    for index, door in enumerate(settings.listen):
        yield ("listen", index), door
    for tenant_id, tenant in settings.tenants.items():
        for index, door in enumerate(tenant.listen):
            yield ("tenants", tenant_id, "listen", index), door
    if settings.http is not None:
        yield ("http",), settings.http
    if isinstance(settings.admin, Door):
        yield ("admin",), settings.admin


def door_misfits(settings: Settings, broken: Collection[str]) -> Iterator[Misfit]:
    """Endpoints that are taken already, and TLS without a certificate."""
    if not settings.listen:
        yield Misfit(("listen",), "an empty list", "at least one endpoint to listen on")
    taken: dict[tuple[bool, str, int], str] = {}
    for path, door in doors(settings):
        if door.transport == "tls" and settings.tls is None and "tls" not in broken:
            yield Misfit(path, str(door), "'tls' with a certificate and key, or no tls:// endpoint")
        place = (door.transport == "udp", door.host, door.port)
        if door.port and place in taken:
            yield Misfit(path, str(door), f"an address and port other than {taken[place]}")
        taken.setdefault(place, str(door))


def empty_upstreams(settings: Settings) -> Iterator[Misfit]:
    """Upstreams that nobody stands behind."""
    for upstream_name, upstream in settings.upstreams.items():
        if not upstream.servers:
            yield Misfit(("upstreams", upstream_name, "servers"), "an empty list", "at least one server")


def shared_clients(settings: Settings) -> Iterator[Misfit]:
    """Networks that two tenants call their clients."""
    owners: dict[Network, str] = {}
    for tenant_id, tenant in settings.tenants.items():
        for index, network in enumerate(tenant.clients):
            owner = owners.setdefault(network, tenant_id)
            if owner != tenant_id:
                path = ("tenants", tenant_id, "clients", index)
                yield Misfit(path, f"{network}, also of the tenant {owner!r}", "a network of one tenant")


def unknown_upstreams(settings: Settings) -> Iterator[Misfit]:
    """Upstreams that are named and do not exist."""
    for suffix, upstream in settings.forward.items():
        if upstream not in settings.upstreams:
            yield unknown_upstream(("forward", to_text(suffix)), upstream, settings)
    for tenant_id, tenant in settings.tenants.items():
        for misfit in unknown_rule_upstreams(tenant.rules, settings):
            yield misfit.under("tenants", tenant_id, "rules")


def unknown_rule_upstreams(rules: Iterable[Rule], settings: Settings) -> Iterator[Misfit]:
    """Upstreams that rules name and that do not exist; paths start at the list of rules."""
    for index, rule in enumerate(rules):
        if rule.then.upstream is not None and rule.then.upstream not in settings.upstreams:
            yield unknown_upstream((index, "then", "upstream"), rule.then.upstream, settings)


def unknown_upstream(path: IssuePath, upstream: str, settings: Settings) -> Misfit:
    """The misfit for one such name."""
    known = ", ".join(settings.upstreams) or "there are none"
    return Misfit(path, f"the unknown upstream {upstream!r}", f"a name from 'upstreams' ({known})")
