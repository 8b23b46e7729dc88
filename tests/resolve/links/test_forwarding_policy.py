"""Answers of upstreams under the rules that chose them, and chains that lead to names of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve, frozen

from graydns.model import name
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.client import Client, Subnet
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.query import Edns, Query
from graydns.model.transport import UDP
from graydns.resolve.links.authority import NullCatalogWaiter
from graydns.resolve.links.forwarding_policy import ForwardingPolicy
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import load_snapshot
from graydns.wire.answer_body import RRset, build_body, read_rrsets
from tests.coroutines import finished

MAIN = """\
admin: null
http: null
zones: zones/
upstreams: {up: {servers: ["udp://192.0.2.53"], ecs: true}, other: {servers: ["udp://192.0.2.54"]}}
forward: {".": up}
tenants:
  one:
    rules:
    - {name: near, when: {source: 10.2.0.0/16, name: "*.near.test"}, then: {upstream: other}}
    - {name: vip, when: {client: vip, name: "*.priv.test"}, then: {upstream: other}}
    - {name: brief, when: {name: "*.brief.test"}, then: {upstream: other, ttl: 5}}
    - {name: shut, when: {name: "*.shut.test"}, then: {block: refused}}
    - {name: gone, when: {name: "*.gone.test"}, then: {block: nxdomain}}
"""

ZONE = """\
zone: ours.test
tenant_id: one
config_version: "1"
source: {file: data.zone}
services:
  api.ours.test:
    versions: {stable: {A: 192.0.2.1}, canary: {A: 192.0.2.2}}
    default: stable
    whitelist: {canary: ["net:10.1.0.0/16"]}
"""

DATA = "$ORIGIN ours.test.\n$TTL 300\n@ SOA ns.test. h.test. 1 3600 600 86400 60\n@ NS ns.test.\nwww CNAME api\n"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A tenant with a service, and rules over names that are not ours."""
    folder = tmp_path_factory.mktemp("outward")
    home = folder / "zones" / "ours.test"
    home.mkdir(parents=True)
    (home / "zone-config.yaml").write_text(ZONE)
    (home / "data.zone").write_text(DATA)
    main: Path = folder / "graydns.yaml"
    main.write_text(MAIN)
    return load_snapshot(main)[0]


@frozen
class Saying:
    """An upstream that says this."""

    answer: Answer

    async def resolve(self, query: Query) -> Answer:
        """It."""
        return self.answer


def said(qname: str, *records: tuple[str, int, int, bytes], scope: int | None = None, section: int = ANSWER) -> Answer:
    """An upstream's answer from records (owner, type, TTL, rdata), stored 10 s ago."""
    made = [RRset(section, name.from_text(owner), rdtype, 1, ttl, (data,)) for owner, rdtype, ttl, data in records]
    body, spans = build_body(name.from_text(qname), made)
    ttl = min(ttl for _, _, ttl, _ in records)
    return Answer(body=body, spans=spans, ttl=ttl, stored_at=90.0, ecs_scope=scope, forwarded=True)


def resolve(snapshot: Snapshot, qname: str, answer: Answer, client: Client, qtype: int = 1) -> tuple[Query, Answer]:
    """What Outward makes of *answer*, at 100 s."""
    wire = name.from_text(qname)
    plan = snapshot.plan(wire, qtype, client.tenant)
    question = wire + qtype.to_bytes(2, "big") + b"\0\1"
    query = Query(1, b"", question, wire, qtype, 1, client, recursion_desired=True, edns=Edns(1232))
    query = query._replace(plan=plan, decision=plan.decide(client))
    outward = ForwardingPolicy(
        Saying(answer), catalog_waiter=NullCatalogWaiter(), snapshot=snapshot, clock=lambda: 100.0
    )
    return query, finished(outward.resolve(query))


def client(subnet: str | None = None, identity: str | None = None) -> Client:
    """A client of the tenant that may forward, in a /24."""
    packed = None if subnet is None else Subnet(bytes(map(int, subnet.split("."))), 24)
    return Client(b"\x7f\0\0\1", UDP, packed, identity, (), "one", True)


def ttls(query: Query, answer: Answer) -> list[int]:
    """The TTLs in *answer*."""
    return [rrset.ttl for rrset in read_rrsets(query.question, answer)]


ADDRESS = b"\xc0\0\2\x50"


@pytest.mark.parametrize("scope", [None, 0, 8])
def test_scope_is_never_shorter_than_what_the_rules_read(snapshot: Snapshot, scope: int | None) -> None:
    """A rule that reads /16 may apply to the name: whatever the upstream's scope, ours is at least 16."""
    answer = said("a.near.test", ("a.near.test", 1, 60, ADDRESS), scope=scope)
    query, made = resolve(snapshot, "a.near.test", answer, client("10.3.2.0"))
    assert query.decision is not None
    assert (made.ecs_scope if made.ecs_scope is not None else query.decision.ecs_scope(query.client)) == 16


def test_a_longer_scope_of_the_upstream_stays(snapshot: Snapshot) -> None:
    """What the upstream said to depend on more is told on."""
    answer = said("a.near.test", ("a.near.test", 1, 60, ADDRESS), scope=20)
    assert resolve(snapshot, "a.near.test", answer, client("10.3.2.0"))[1].ecs_scope == 20


def test_an_upstream_chosen_by_identity_has_ttl_0(snapshot: Snapshot) -> None:
    """Nobody may keep what identity chose, and no table may either."""
    answer = said("a.priv.test", ("a.priv.test", 1, 300, ADDRESS))
    query, made = resolve(snapshot, "a.priv.test", answer, client("10.3.2.0", "client:vip"))
    assert ttls(query, made) == [0]
    assert made.ttl == 0
    assert made.stored_at is None


def test_a_rules_ttl_caps_what_is_left(snapshot: Snapshot) -> None:
    """The cap counts after ageing: 300 and 12 seconds stored 10 s ago become 5 and 2."""
    records = (("a.brief.test", 5, 300, name.from_text("b.brief.test")), ("b.brief.test", 1, 12, ADDRESS))
    query, made = resolve(snapshot, "a.brief.test", said("a.brief.test", *records), client())
    assert ttls(query, made) == [5, 2]


def test_a_negative_that_another_client_might_not_get(snapshot: Snapshot) -> None:
    """Scope 0, and TTL 0, as caches hand it to everybody."""
    soa = name.from_text("ns.test") + name.from_text("h.test") + bytes(20)
    answer = said("a.near.test", ("near.test", 6, 60, soa), scope=24, section=AUTHORITY)
    query, made = resolve(snapshot, "a.near.test", answer, client("10.3.2.0"))
    assert made.ecs_scope == 0
    assert ttls(query, made) == [0]


def test_an_upstreams_chain_to_our_name_ends_with_our_policy(snapshot: Snapshot) -> None:
    """What the upstream heard of a service is not passed on; the policy decides, and its scope counts."""
    records = (("x.else.test", 5, 300, name.from_text("api.ours.test")), ("api.ours.test", 1, 300, b"\6\6\6\6"))
    for subnet, address in (("10.1.2.0", b"\xc0\0\2\2"), ("10.3.2.0", b"\xc0\0\2\1")):
        query, made = resolve(snapshot, "x.else.test", said("x.else.test", *records), client(subnet))
        found = read_rrsets(query.question, made)
        assert [rrset.rdatas[0] for rrset in found] == [name.from_text("api.ours.test"), address]
        assert [rrset.ttl for rrset in found] == [290, 5]
        assert made.ecs_scope == 16
        assert not made.shareable


def test_a_chain_elsewhere_is_left_alone(snapshot: Snapshot) -> None:
    """No name of ours in it: the same object."""
    records = (("x.else.test", 5, 300, name.from_text("y.else.test")), ("y.else.test", 1, 300, ADDRESS))
    answer = said("x.else.test", *records)
    assert resolve(snapshot, "x.else.test", answer, client())[1] is answer


@pytest.mark.parametrize(("qname", "rcode", "code"), [("a.shut.test", 5, 18), ("a.gone.test", 3, 15)])
def test_blocked_names_do_not_name_the_rule(snapshot: Snapshot, qname: str, rcode: int, code: int) -> None:
    """The reason is told, the operator's rule is not."""
    _, made = resolve(snapshot, qname, said(qname, (qname, 1, 60, ADDRESS)), client())
    assert (made.rcode, [tuple(ede) for ede in made.edes]) == (rcode, [(code, "")])


@pytest.mark.parametrize("qtype", [249, 250, 251, 252])
def test_questions_between_two_servers_are_not_passed_on(snapshot: Snapshot, qtype: int) -> None:
    """TKEY, TSIG, IXFR and AXFR for foreign names are REFUSED as not supported."""
    answer = said("a.else.test", ("a.else.test", 1, 60, ADDRESS))
    _, made = resolve(snapshot, "a.else.test", answer, client(), qtype)
    assert (made.rcode, made.edes[0].code) == (5, 21)


@pytest.mark.parametrize("qtype", [5, 255])
def test_an_alias_that_is_asked_for_is_not_followed(snapshot: Snapshot, qtype: int) -> None:
    """Not even into our zones."""
    answer = said("x.else.test", ("x.else.test", 5, 300, name.from_text("gone.ours.test")))
    assert resolve(snapshot, "x.else.test", answer, client(), qtype)[1] is answer


def test_a_chain_by_dname_comes_home_too(snapshot: Snapshot) -> None:
    """Whichever record it begins with; and what nobody signed is not called secure, whatever the rest of it was."""
    records = (
        ("far.test", 39, 60, name.from_text("ours.test")),
        ("api.far.test", 5, 60, name.from_text("api.ours.test")),
        ("api.ours.test", 1, 60, ADDRESS),
    )
    answer = evolve(said("api.far.test", *records), security=Security.SECURE, proof=ValidationStatus(Security.SECURE))
    query, made = resolve(snapshot, "api.far.test", answer, client("10.1.2.0"))
    assert [rrset.rdatas for rrset in read_rrsets(query.question, made) if rrset.rdtype == 1] == [
        (bytes((192, 0, 2, 2)),)
    ]
    assert made.security is Security.INDETERMINATE
    assert made.proof is not None
    assert made.proof.security is Security.INSECURE
