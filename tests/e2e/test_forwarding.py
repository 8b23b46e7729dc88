"""Names that are not ours: chains that lead out, limits, silent upstreams, stale answers."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from tests.e2e.serving import serving, write
from tools.ports import free_ports


def ede_codes(message: dns.message.Message) -> list[int]:
    """The extended errors of *message*."""
    return [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]


def ask(port: int, name: str, rdtype: str = "A", flags: str = "RD") -> dns.message.Message:
    """The answer over UDP."""
    query = dns.message.make_query(name, rdtype, use_edns=0)
    query.flags = dns.flags.from_text(flags)
    return dns.query.udp(query, "127.0.0.1", timeout=5, port=port)


def test_a_chain_out_of_our_zones_is_completed(upstream: int, tmp_path: Path) -> None:
    """With RD the CNAME's target is resolved by the upstream; without, the answer ends with what is ours."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: zones/
        upstreams: {{knot: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
        forward: {{ext.test: knot}}
        """
    zones = {"ours.test": ("tenant_id: one\n", "out CNAME alias.ext.test.\ngone CNAME nowhere.else.\n")}
    with serving(write(tmp_path, main, zones), port):
        whole = ask(port, "out.ours.test")
        assert [rrset.name.to_text() for rrset in whole.answer] == [
            "out.ours.test.",
            "alias.ext.test.",
            "www.ext.test.",
        ]
        assert [rrset.name.to_text() for rrset in ask(port, "out.ours.test", flags="").answer] == ["out.ours.test."]
        assert [rrset.name.to_text() for rrset in ask(port, "gone.ours.test").answer] == ["gone.ours.test."]


@pytest.fixture
def silence() -> Iterator[int]:
    """The port of an upstream that takes queries and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened.getsockname()[1]


def test_a_silent_upstream_ends_in_servfail_with_its_reason(silence: int, tmp_path: Path) -> None:
    """No answer within the deadline: SERVFAIL with EDE 22 or 23, and what is ours is answered meanwhile."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: zones/
        upstreams: {{dead: {{servers: ["udp://127.0.0.1:{silence}"], deadline: 200ms}}}}
        forward: {{".": dead}}
        """
    with serving(write(tmp_path, main, {"ours.test": ("tenant_id: one\n", "")}), port):
        answer = ask(port, "www.ext.test")
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert ede_codes(answer) in ([22], [23])
        assert ask(port, "www.ours.test").answer


def test_queries_over_the_limit_are_told_at_once(silence: int, tmp_path: Path) -> None:
    """Of 30 questions that would wait, 20 over the limit of one source get SERVFAIL first; all 30 are answered."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: null
        limits: {{max_inflight_per_source: 10}}
        upstreams: {{dead: {{servers: ["udp://127.0.0.1:{silence}"], deadline: 2s}}}}
        forward: {{".": dead}}
        """
    with serving(write(tmp_path, main, {}), port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for number in range(30):
            query = dns.message.make_query(f"n{number}.ext.test", "A", use_edns=0)
            client.sendto(query.to_wire(), ("127.0.0.1", port))
        messages = [dns.message.from_wire(client.recv(4096)) for _ in range(30)]
    assert Counter(message.rcode() for message in messages) == {dns.rcode.SERVFAIL: 30}
    assert ["waiting" in message.options[0].to_text() for message in messages] == [True] * 20 + [False] * 10


def test_clients_outside_allow_forward_are_refused(upstream: int, tmp_path: Path) -> None:
    """REFUSED with EDE 18, though the same name is in the cache for others."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}", "udp://[::1]:{port}"]
        zones: null
        allow_forward: ["127.0.0.0/8"]
        upstreams: {{knot: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
        forward: {{".": knot}}
        """
    with serving(write(tmp_path, main, {}), port):
        for _ in range(3):
            assert ask(port, "www.ext.test").answer
        query = dns.message.make_query("www.ext.test", "A", use_edns=0)
        for _ in range(2):
            answer = dns.query.udp(query, "::1", timeout=5, port=port)
            assert answer.rcode() == dns.rcode.REFUSED
            assert ede_codes(answer) == [18]
            assert not answer.flags & dns.flags.RA


def test_an_expired_answer_is_given_stale_when_the_upstream_is_gone(tmp_path: Path) -> None:
    """RFC 8767: TTL over and no upstream: the old answer, with the stale TTL and EDE 3."""
    port, upstream = free_ports(2)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: null
        cache: {{stale: {{for: 1h, ttl: 7s}}}}
        upstreams: {{mine: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 300ms}}}}
        forward: {{".": mine}}
        """
    with serving(write(tmp_path, main, {}), port):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            server.bind(("127.0.0.1", upstream))
            server.settimeout(5)
            client.settimeout(5)
            client.sendto(dns.message.make_query("once.test", "A").to_wire(), ("127.0.0.1", port))
            asked, sender = server.recvfrom(4096)
            reply = dns.message.make_response(dns.message.from_wire(asked))
            reply.answer.append(dns.rrset.from_text(reply.question[0].name, 1, "IN", "A", "192.0.2.1"))
            server.sendto(reply.to_wire(), sender)
            assert dns.message.from_wire(client.recv(4096)).answer[0].ttl == 1
        answer = ask(port, "once.test")
        while not ede_codes(answer):  # until its one second is over; the test's own timeout bounds it
            sleep(0.05)
            answer = ask(port, "once.test")
        assert ede_codes(answer) == [3]
        assert answer.answer[0].ttl == 7
