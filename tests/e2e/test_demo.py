"""What README and the start of the server promise a new user, tried with the clients it names."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from dns.edns import OptionType

from tests.e2e.conftest import Demo

STABLE = {"192.0.2.10", "192.0.2.11"}
CANARY = {"192.0.2.20"}


def ask(demo: Demo, name: str, rdtype: str = "A", **options: object) -> dns.message.Message:
    """The answer over UDP."""
    query = dns.message.make_query(name, rdtype, **options)  # type: ignore[arg-type]
    return dns.query.udp(query, "127.0.0.1", timeout=5, port=demo.port)


def addresses(answer: dns.message.Message) -> list[str]:
    """The A records of *answer*, in order."""
    return [rdata.to_text() for rrset in answer.answer for rdata in rrset if rrset.rdtype == 1]


def from_subnet(demo: Demo, subnet: str, rdtype: str = "A") -> dns.message.Message:
    """The answer that a client in *subnet* gets."""
    address, _, prefix = subnet.partition("/")
    option = dns.edns.ECSOption(address, int(prefix))
    return ask(demo, "api.shop.test", rdtype, use_edns=0, options=[option])


def dig(require_peer: Callable[[str], str], demo: Demo, *words: str) -> str:
    """What dig prints."""
    command = [require_peer("dig"), "@127.0.0.1", "-p", str(demo.port), "+tries=1", "+time=5", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


def test_dig_sees_stable_without_options(demo: Demo, require_peer: Callable[[str], str]) -> None:
    """The first command: this client's own version, stable."""
    assert set(dig(require_peer, demo, "api.shop.test", "+short").split()) == STABLE


def test_dig_sees_canary_for_the_whitelisted_network(demo: Demo, require_peer: Callable[[str], str]) -> None:
    """The second command: the canary, with the scope in the answer."""
    said = dig(require_peer, demo, "api.shop.test", "+subnet=10.1.2.0/24")
    assert "192.0.2.20" in said
    assert "CLIENT-SUBNET: 10.1.2.0/24/24" in said


def test_dig_sees_canary_for_the_whitelisted_client(demo: Demo, require_peer: Callable[[str], str]) -> None:
    """The third command: the canary, which nobody may keep."""
    tag = b"client=qa-laptop".hex()
    said = dig(require_peer, demo, "api.shop.test", f"+ednsopt=65001:{tag}")
    (line,) = (line for line in said.splitlines() if line.endswith("192.0.2.20"))
    assert line.split()[1] == "0"


def test_one_subnet_gets_one_answer_twenty_times(demo: Demo) -> None:
    """Sticky: the same subnet, the same addresses in the same order."""
    answers = [addresses(from_subnet(demo, "198.51.100.0/24")) for _ in range(20)]
    assert all(answer == answers[0] for answer in answers)


def test_about_a_tenth_of_subnets_get_the_canary(demo: Demo) -> None:
    """Of 1,000 subnets 10 % are on the canary, with A and AAAA agreeing; the announced scope is the hash's /24."""
    seen: Counter[str] = Counter()
    for number in range(1000):
        subnet = f"100.{64 + number // 256}.{number % 256}.0/24"
        answer = from_subnet(demo, subnet)
        found = set(addresses(answer))
        assert found in (STABLE, CANARY)
        seen["canary" if found == CANARY else "stable"] += 1
        (option,) = (option for option in answer.options if isinstance(option, dns.edns.ECSOption))
        assert option.scopelen == 24
        if number < 50:
            (aaaa,) = from_subnet(demo, subnet, "AAAA").answer
            assert (aaaa[0].to_text() == "2001:db8::20") is (found == CANARY)
    assert 60 <= seen["canary"] <= 145


def test_big_answer_is_cut_over_udp_and_whole_over_tcp(demo: Demo, require_peer: Callable[[str], str]) -> None:
    """TC over UDP at an RRset boundary; dig comes again over TCP and has it all."""
    cut = ask(demo, "big.shop.test", "TXT", use_edns=0, payload=4096)
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    said = dig(require_peer, demo, "big.shop.test", "TXT", "+bufsize=4096")
    assert "Truncated, retrying in TCP mode" in said
    assert "ANSWER: 0" not in said


def test_kdig_asks_over_tls(demo: Demo, require_peer: Callable[[str], str]) -> None:
    """DNS over TLS, padded to blocks of 468 octets."""
    command = [require_peer("kdig"), "@127.0.0.1", "-p", str(demo.tls), "+tls", "+padding=128", "www.shop.test"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert "status: NOERROR" in said
    assert "Received 468 B" in said


def test_ipv6_door(demo: Demo) -> None:
    """The same over IPv6."""
    answer = dns.query.udp(dns.message.make_query("www.shop.test", "A"), "::1", timeout=5, port=demo.port)
    assert answer.flags & dns.flags.AA
    assert answer.answer


def test_not_ours_is_forwarded_cached_and_aged(demo: Demo, upstream: int) -> None:
    """A name of the upstream's, asked twice: forwarded, without AA, then from the cache."""
    first, second = ask(demo, "www.ext.test"), ask(demo, "WWW.ext.TEST")
    assert addresses(first) == addresses(second) == ["192.0.2.80"]
    assert not first.flags & dns.flags.AA
    assert first.flags & dns.flags.RA
    assert second.question[0].name.to_text() == "WWW.ext.TEST."
    assert second.answer[0].ttl <= first.answer[0].ttl <= 60


def test_truncated_upstream_answer_is_fetched_over_tcp(demo: Demo) -> None:
    """What the upstream truncates comes whole, by TCP."""
    query = dns.message.make_query("big.ext.test", "TXT", use_edns=0)
    answer = dns.query.tcp(query, "127.0.0.1", timeout=5, port=demo.port)
    assert len(answer.answer[0][0].to_wire() or b"") > 4000


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "ede"),
    [
        ("nowhere.example", "A", dns.rcode.REFUSED, 20),
        ("nothing.shop.test", "A", dns.rcode.NXDOMAIN, None),
        ("x.ads.shop.test", "A", dns.rcode.NOERROR, 15),
        ("shop.test", "AXFR", dns.rcode.REFUSED, 21),
    ],
)
def test_refusals_carry_their_reason(demo: Demo, name: str, rdtype: str, rcode: int, ede: int | None) -> None:
    """Every REFUSED and every filtered answer says why (RFC 8914)."""
    query = dns.message.make_query(name, rdtype, use_edns=0)
    query.flags |= dns.flags.RD
    if rdtype == "AXFR":
        answer = dns.message.from_wire(raw_udp(demo, query.to_wire()))
    else:
        answer = dns.query.udp(query, "127.0.0.1", timeout=5, port=demo.port)
    assert answer.rcode() == rcode
    codes = [int(option.code) for option in answer.options if isinstance(option, dns.edns.EDEOption)]
    assert codes == ([] if ede is None else [ede])


def raw_udp(demo: Demo, wire: bytes) -> bytes:
    """One datagram there and one back."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.settimeout(5)
        opened.sendto(wire, ("127.0.0.1", demo.port))
        return opened.recv(65535)


def test_recursion_not_desired_is_not_forwarded(demo: Demo) -> None:
    """RD=0 and not ours: REFUSED, from the pipeline and not from any table, though the name is cached."""
    ask(demo, "www.ext.test")
    answer = ask(demo, "www.ext.test", flags=0, use_edns=0)
    assert answer.rcode() == dns.rcode.REFUSED


def test_nsid_and_cookie_are_answered(demo: Demo) -> None:
    """NSID when asked (RFC 5001); a client cookie gets a server cookie of 16 octets (RFC 9018)."""
    options = [
        dns.edns.GenericOption(OptionType.make(3), b""),
        dns.edns.GenericOption(OptionType.make(10), b"abcdefgh"),
    ]
    answer = ask(demo, "www.shop.test", use_edns=0, options=options)
    told = {int(option.otype): option for option in answer.options}
    assert told[3].to_wire() == b"unit-7"
    cookie = told[10].to_wire()
    assert cookie is not None
    assert cookie[:8] == b"abcdefgh"
    assert len(cookie) == 24


def test_unknown_tsig_key_is_refused_unsigned(demo: Demo) -> None:
    """RFC 8945 section 5.2.1: NOTAUTH with BADKEY."""
    import dns.tsigkeyring

    query = dns.message.make_query("www.shop.test", "A")
    query.use_tsig(dns.tsigkeyring.from_text({"no.such.key": "c2VjcmV0c2VjcmV0c2VjcmV0"}))
    reply = raw_udp(demo, query.to_wire())
    assert reply[3] & 15 == dns.rcode.NOTAUTH
    assert reply[10:12] == b"\0\1"
    assert reply[-4:-2] == b"\0\x11"
