"""A Router with other services, and networks beside sealed ones: what live changes are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.compile import ZonePolicy, compile_router
from graydns.gray.faults import Faults
from graydns.gray.networks import MoreNetworks, Networks
from graydns.gray.router import Router
from graydns.gray.service import CompiledService, compile_service
from graydns.model.name import from_text
from graydns.model.policy import Endpoint, Rule, Service, Then, Version, When
from graydns.model.query import Client, Subnet

API = from_text("api.shop.test")

VERSIONS = {name: Version((Endpoint({"A": (address,)}),)) for name, address in (("a", "192.0.2.1"), ("b", "192.0.2.2"))}


def sealed(networks: Networks) -> Networks:
    for _ in networks.seal():
        pass
    return networks


def router(*rules: Rule) -> Router:
    """One service that gives everybody version a, but for *rules*."""
    zone = ZonePolicy(from_text("shop.test"), {API: Service(VERSIONS, "a")}, rules)
    return compile_router("t", (zone,), ())


def compiled(**changes: object) -> CompiledService:
    return compile_service("t", "api.shop.test", Service(VERSIONS, "a", **changes), Faults([]))  # type: ignore[arg-type]


def version(router: Router, source: str) -> str:
    """The version that a sender gets."""
    return router.plan(API, 1).decide(Client(bytes(map(int, source.split("."))))).cohort.outcome


def test_another_service_takes_effect_and_the_router_before_stays() -> None:
    """A Router shares all but its services and plans with the one that it was made from."""
    before = router(Rule("r", When(source="10.0.0.0/8"), Then(version="b")))
    after = before.with_services({API: compiled(percent={"b": 1_000_000})})
    assert (version(before, "192.0.2.9"), version(after, "192.0.2.9")) == ("a", "b")
    assert after.scopes is before.scopes
    assert after.rules is before.rules


def test_a_new_whitelisted_network_counts_beside_those_of_rules() -> None:
    """The longest listed network wins; rules go on where nothing is listed; the shared networks are not touched."""
    before = router(Rule("r", When(source="10.0.0.0/8"), Then(version="b")))
    known = len(before.networks)
    after = before.with_services({API: compiled(whitelist={"a": ("net:10.1.2.0/24",), "b": ("net:10.1.0.0/16",)})})
    got = {source: version(after, source) for source in ("10.1.2.3", "10.1.3.3", "10.2.3.3", "192.0.2.9")}
    assert got == {"10.1.2.3": "a", "10.1.3.3": "b", "10.2.3.3": "b", "192.0.2.9": "a"}
    assert len(before.networks) == known
    assert after.plan(API, 1).reach4 == 24


def cut(address: int, prefix: int) -> Subnet:
    kept = address >> (32 - prefix) << (32 - prefix)
    return Subnet(kept.to_bytes(4, "big"), prefix)


#: Few addresses, so that networks lie in each other.
subnets = st.builds(cut, st.integers(0, 3).map(lambda top: top << 30 | top << 20 | top), st.integers(0, 32))


@given(base=st.lists(subnets), more=st.lists(subnets), client=subnets)
def test_networks_beside_others_are_found_like_those(base: list[Subnet], more: list[Subnet], client: Subnet) -> None:
    """All networks around a client, the longest first, whichever of the two they came with."""
    below = Networks()
    for network in base:
        below.number(network)
    both = MoreNetworks(sealed(below), more)
    found = both.containing(*client)
    around = [network for network in {*base, *more} if network.prefix <= client.prefix]
    around = [network for network in around if cut(int.from_bytes(client.address, "big"), network.prefix) == network]
    expected = sorted(around, key=lambda network: -network.prefix)
    assert list(found) == [both.number(network) for network in expected]
