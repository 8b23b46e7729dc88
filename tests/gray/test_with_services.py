"""A Router with other services, and networks beside sealed ones: what live changes are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.compiled_service import CompiledService, compile_service
from graydns.gray.network_index import ExtendedNetworkIndex, NetworkIndex
from graydns.gray.policy_compiler import ZonePolicy
from graydns.gray.router import Router
from graydns.model.client import Client, Subnet
from graydns.model.errors import PolicyIssues
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServiceEndpoint, ServicePolicy, ServiceVersion
from tests.gray.making import compile_router

API = from_text("api.shop.test")

VERSIONS = {
    name: ServiceVersion((ServiceEndpoint({"A": (address,)}),))
    for name, address in (("a", "192.0.2.1"), ("b", "192.0.2.2"))
}


def sealed(networks: NetworkIndex) -> NetworkIndex:
    for _ in networks.build():
        pass
    return networks


def router(*rules: Rule) -> Router:
    """One service that gives everybody version a, but for *rules*."""
    zone = ZonePolicy(from_text("shop.test"), {API: ServicePolicy(VERSIONS, "a")}, rules)
    return compile_router("t", (zone,), ())


def compiled(**changes: object) -> CompiledService:
    return compile_service("t", "api.shop.test", ServicePolicy(VERSIONS, "a", **changes), PolicyIssues([]))  # type: ignore[arg-type]


def version(router: Router, source: str) -> str:
    """The version that a sender gets."""
    return router.plan(API, 1).decide(Client(bytes(map(int, source.split("."))))).cohort.outcome


def test_another_service_takes_effect_and_the_router_before_stays() -> None:
    """A Router shares all but its services and plans with the one that it was made from."""
    before = router(Rule("r", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="b")))
    after = before.with_services({API: compiled(percent={"b": 1_000_000})})
    assert (version(before, "192.0.2.9"), version(after, "192.0.2.9")) == ("a", "b")
    assert after.rule_index is before.rule_index
    assert after.rules is before.rules


def test_a_new_whitelisted_network_counts_beside_those_of_rules() -> None:
    """The longest listed network wins; rules go on where nothing is listed; the shared networks are not touched."""
    before = router(Rule("r", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="b")))
    known = len(before.networks)
    after = before.with_services({API: compiled(whitelist={"a": ("net:10.1.2.0/24",), "b": ("net:10.1.0.0/16",)})})
    got = {source: version(after, source) for source in ("10.1.2.3", "10.1.3.3", "10.2.3.3", "192.0.2.9")}
    assert got == {"10.1.2.3": "a", "10.1.3.3": "b", "10.2.3.3": "b", "192.0.2.9": "a"}
    assert len(before.networks) == known
    assert after.plan(API, 1).ecs_scope_v4 == 24


def cut(address: int, prefix: int) -> Subnet:
    kept = address >> (32 - prefix) << (32 - prefix)
    return Subnet(kept.to_bytes(4, "big"), prefix)


#: Few addresses, so that networks lie in each other.
subnets = st.builds(cut, st.integers(0, 3).map(lambda top: top << 30 | top << 20 | top), st.integers(0, 32))


@given(base=st.lists(subnets), more=st.lists(subnets), client=subnets)
def test_networks_beside_others_are_found_like_those(base: list[Subnet], more: list[Subnet], client: Subnet) -> None:
    """All networks around a client, the longest first, whichever of the two they came with."""
    below = NetworkIndex()
    for network in base:
        below.assign_number(network)
    both = ExtendedNetworkIndex(sealed(below), more)
    found = both.find_containing(*client)
    around = [network for network in {*base, *more} if network.prefix <= client.prefix]
    around = [network for network in around if cut(int.from_bytes(client.address, "big"), network.prefix) == network]
    expected = sorted(around, key=lambda network: -network.prefix)
    assert list(found) == [both.assign_number(network) for network in expected]
