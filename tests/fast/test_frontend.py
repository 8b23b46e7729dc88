"""The front's short way, its parsed way and the pipeline all say the same, byte for byte."""

from __future__ import annotations

from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.tsig
import pytest
from attrs import evolve
from dns.edns import OptionType
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from graydns.fast.frontend import Frontend
from graydns.fast.peer import Peer
from graydns.model.query import Query
from graydns.model.transport import TCP, TLS, UDP, Transport
from graydns.server import DnsServer
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import load_snapshot
from tests.conftest import examples
from tests.coroutines import finished

ROOT = Path(__file__).parents[2]

CONFIG = """\
admin: null
http: null
zones: {zones}
data: var/
limits: {{nsid: unit-7}}
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"]}}}}
forward: {{}}
"""

NAMES = [
    "api.shop.test", "API.shop.TEST", "www.shop.test", "mail.shop.test", "shop.test", "big.shop.test", "nope.shop.test",
    "a.dev.shop.test", "staging-7.shop.test", "x.ads.shop.test", "other.example",
]  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The demo's Snapshot."""
    folder = tmp_path_factory.mktemp("front")
    (folder / "graydns.yaml").write_text(CONFIG.format(zones=ROOT / "zones"))
    return load_snapshot(folder / "graydns.yaml")[0]


def front_of(snapshot: Snapshot) -> Frontend:
    """A front with empty tables, and cookies of a fixed second."""
    front = DnsServer(snapshot, Clock(), cookie_secrets=(bytes(16),)).front
    front.wall = lambda: 1_700_000_000.0
    return front


def settled(front: Frontend, wire: bytes, peer: Peer) -> bytes | None:
    """The reply, by whatever way."""
    return ended(front.answer(wire, peer), front, peer)


def ended(said: bytes | Query | None, front: Frontend, peer: Peer) -> bytes | None:
    """What the front *said*, a miss through the pipeline: that waits for nothing where no name is forwarded."""
    return finished(front.resolve(said, peer)) if isinstance(said, Query) else said


ecs = st.one_of(
    st.builds(dns.edns.ECSOption, st.ip_addresses(v=4).map(str), st.integers(0, 32)),
    st.builds(dns.edns.ECSOption, st.ip_addresses(v=6).map(str), st.integers(0, 128)),
    st.sampled_from(["10.1.2.0", "10.1.200.0", "192.0.2.0"]).map(lambda address: dns.edns.ECSOption(address, 24)),
)
options = st.lists(
    st.one_of(
        ecs,
        st.just(dns.edns.GenericOption(OptionType.make(3), b"")),
        st.just(dns.edns.GenericOption(OptionType.make(10), b"12345678")),
        st.just(dns.edns.GenericOption(OptionType.make(12), bytes(10))),
        st.just(dns.edns.GenericOption(OptionType.make(65001), b"client=qa-laptop")),
        st.just(dns.edns.GenericOption(OptionType.make(65001), b"client=tenant-a,team=x")),
        st.just(dns.edns.GenericOption(OptionType.make(4242), b"unknown")),
    ),
    max_size=2,
)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """Well-formed queries for names of the demo zone, in all shapes."""
    query = dns.message.make_query(
        draw(st.sampled_from(NAMES)), draw(st.sampled_from(["A", "AAAA", "TXT", "HTTPS", "ANY"]))
    )
    query.flags = draw(st.sampled_from([0, dns.flags.RD, dns.flags.AD, dns.flags.CD, dns.flags.RD | dns.flags.CD]))
    if draw(st.booleans()):
        flags = dns.flags.DO if draw(st.booleans()) else 0
        query.use_edns(0, flags, draw(st.sampled_from([0, 512, 700, 1232, 4096])), options=draw(options))
    return query.to_wire()


@given(wire=queries(), transport=st.sampled_from([UDP, TCP, TLS]), trusted=st.booleans())
@examples(3, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_ways_agree(snapshot: Snapshot, wire: bytes, transport: Transport, trusted: bool) -> None:
    """Cold, warm and parsed, a query gets the same octets, and dnspython can read them."""
    address = "127.0.0.1" if trusted else "203.0.113.7"
    front = front_of(snapshot)
    peer = front.peer(address, transport)
    cold = settled(front, wire, peer)
    warm = settled(front, wire, peer)
    hot = settled(front, wire, peer)
    parsed = ended(front._answer_parsed(wire, peer), front, peer)
    assert cold == warm == hot == parsed
    assert cold is not None
    limit = 65535 if transport != UDP else 1232
    assert len(cold) <= limit
    message = dns.message.from_wire(cold)
    assert message.id == int.from_bytes(wire[:2], "big")
    # The question comes back with the asker's letter case.
    assert cold[12 : 12 + len(message.question[0].name.to_wire() or b"")] in wire


@given(wire=queries(), warming=st.lists(queries(), max_size=6))
@examples(2, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_others_asked_before_changes_nothing(snapshot: Snapshot, wire: bytes, warming: list[bytes]) -> None:
    """No client's context shows in the answer of another, whatever the tables hold."""
    cold, warm = front_of(snapshot), front_of(snapshot)
    for address in ("127.0.0.1", "203.0.113.7"):
        for earlier in warming:
            settled(warm, earlier, warm.peer(address, UDP))
    for address in ("127.0.0.1", "203.0.113.7"):
        fresh = settled(cold, wire, cold.peer(address, UDP))
        assert settled(warm, wire, warm.peer(address, UDP)) == fresh


@given(noise=st.binary(max_size=80), wire=queries(), at=st.integers(0, 100), bit=st.integers(0, 7))
@examples(5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_queries_never_raise(snapshot: Snapshot, noise: bytes, wire: bytes, at: int, bit: int) -> None:
    """Any octets get a reply or silence; the short way never differs from the parser's."""
    front = front_of(snapshot)
    peer = front.peer("127.0.0.1", UDP)
    settled(front, wire, peer)
    damaged = bytearray(wire)
    damaged[at % len(wire)] ^= 1 << bit
    for sent in (noise, wire + noise, wire[:at], bytes(damaged)):
        short = settled(front, sent, peer)
        assert short == ended(front._answer_parsed(sent, peer), front, peer)


def test_the_short_way_is_taken(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once both versions of a name are hot, no subnet needs the parser; nor does a name that is the same for all."""
    front = front_of(snapshot)
    peer = front.peer("127.0.0.1", UDP)

    def wire_of(name: str, number: int) -> bytes:
        option = dns.edns.ECSOption(f"198.51.{number}.0", 24)
        return dns.message.make_query(name, "A", use_edns=0, options=[option]).to_wire()

    for number in range(100):
        settled(front, wire_of("api.shop.test", number), peer)
    settled(front, wire_of("www.shop.test", 0), peer)
    monkeypatch.setattr("graydns.fast.frontend.parse_query", None)
    for number in range(256):
        assert isinstance(front.answer(wire_of("api.shop.test", number), peer), bytes)
        assert isinstance(front.answer(wire_of("WWW.shop.test", number), peer), bytes)


def test_tagged_clients_take_it_when_they_come_again(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail with tags that was asked with before needs no parser for any question whose answer is hot."""
    front = front_of(snapshot)
    peer = front.peer("127.0.0.1", UDP)
    tags = dns.edns.GenericOption(OptionType.make(65001), b"client=qa-laptop")
    told: list[list[dns.edns.Option]] = [[tags], [tags, dns.edns.ECSOption("198.51.100.0", 24)]]
    wires = [dns.message.make_query("api.shop.test", "A", use_edns=0, options=options).to_wire() for options in told]
    replies = [settled(front, wire, peer) for wire in wires]
    monkeypatch.setattr("graydns.fast.frontend.parse_query", None)
    assert [front.answer(wire, peer) for wire in wires] == replies
    assert all(b"\xc0\0\2\x14" in reply for reply in replies if reply)


def test_shapes_that_clients_invent_are_bounded(snapshot: Snapshot) -> None:
    """Any number of odd tails leaves a bounded table."""
    front = front_of(snapshot)
    peer = front.peer("127.0.0.1", UDP)
    wire = dns.message.make_query("www.shop.test", "A", use_edns=0).to_wire()
    for payload in range(10_000):
        front.answer(wire[:-8] + payload.to_bytes(2, "big") + wire[-6:], peer)
    assert len(front._shapes) <= 2048
    for number in range(3_000):
        tags = dns.edns.GenericOption(OptionType.make(65001), b"n=%d" % number)
        front.answer(dns.message.make_query("www.shop.test", "A", use_edns=0, options=[tags]).to_wire(), peer)
    assert 0 < len(front._tagged_shapes) <= 2048


def test_errors_are_noted_with_their_reason(snapshot: Snapshot) -> None:
    """What cannot be parsed is counted."""
    server = DnsServer(snapshot, Clock(), cookie_secrets=())
    peer = server.front.peer("127.0.0.1", UDP)
    assert server.front.answer(b"\0" * 11, peer) is None
    assert server.anomalies.counts["unanswerable"] == 1


def test_tags_that_are_not_believed_are_counted(snapshot: Snapshot) -> None:
    """Tags of a stranger, and malformed ones of anybody, count as ignored; believed ones do not."""
    server = DnsServer(snapshot, Clock(), cookie_secrets=())

    def send(address: str, tags: bytes) -> None:
        option = dns.edns.GenericOption(OptionType.make(65001), tags)
        query = dns.message.make_query("www.shop.test", "A", use_edns=0, options=[option])
        server.front.answer(query.to_wire(), server.front.peer(address, UDP))

    send("127.0.0.1", b"client=qa-laptop")
    assert server.anomalies.counts["tags ignored"] == 0
    send("203.0.113.7", b"client=qa-laptop")
    send("127.0.0.1", b"client=a,client=b")
    assert server.anomalies.counts["tags ignored"] == 2


@pytest.mark.parametrize("way", ["formerr", "badvers", "tsig", "noerror"])
def test_every_reply_advertises_the_configured_payload(snapshot: Snapshot, way: str) -> None:
    """Errors say the same of what this server takes as answers do."""
    front = front_of(snapshot)
    front.use_settings(evolve(front.settings, payload=1400))
    query = dns.message.make_query("www.shop.test", "A", use_edns=1 if way == "badvers" else 0)
    if way == "tsig":
        query.use_tsig(dns.tsig.Key("nobody.", bytes(16)))
    wire = query.to_wire()
    if way == "formerr":
        wire = wire[:4] + b"\0\0" + wire[6:12] + wire[-11:]
    reply = settled(front, wire, front.peer("127.0.0.1", UDP))
    assert reply is not None
    assert b"\0\0\x29" + (1400).to_bytes(2, "big") in reply
