"""Why a client got its last answers can be told, whichever way they took."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from graydns.fast.answer_log import MAX_ANSWER_RECORDS as REMEMBERED
from graydns.gray.split import build_split
from graydns.model.errors import ControlError
from graydns.observe.answer_finder import MAX_ANSWERS, AnswerFinder
from graydns.server import DnsServer
from tests.observe.watching import ask, demo, wire


@pytest.fixture
def server(tmp_path: Path) -> DnsServer:
    """The demo's."""
    return demo(tmp_path)


@pytest.fixture
def book(server: DnsServer) -> AnswerFinder:
    """What answers why."""
    return AnswerFinder(server.front, lambda: server.hot_tables, lambda: server.snapshot)


def test_a_subnet_gets_its_own_answers(server: DnsServer, book: AnswerFinder) -> None:
    """An address means the subnets that it is in, and no others."""
    for subnet in ("10.1.2.0/24", "192.0.2.0/24"):
        ask(server, wire("api.shop.test", subnet=subnet))
    (told,) = book.why("10.1.2.3")
    assert (told["name"], told["type"], told["way"], told["rcode"]) == ("api.shop.test", "A", "pipeline", "NOERROR")
    assert (told["tenant"], told["service"], told["outcome"]) == ("t-demo", "api.shop.test", "canary")
    assert told["client"]["subnet"] == "10.1.2.0/24"
    assert told["explanation"]["whitelist"] == "net:10.1.0.0/16"
    assert told["still"]


def test_hot_answers_by_subnet_are_known(server: DnsServer, book: AnswerFinder) -> None:
    """A subnet that only ever got hot answers is known by what its name remembers."""
    for subnet in ("10.1.2.0/24", "10.1.3.0/24"):
        ask(server, wire("api.shop.test", subnet=subnet))
    server.front.answer_log.recent.clear()
    (told,) = book.why("10.1.3.0/24")
    assert (told["way"], told["at"], told["outcome"], told["rcode"]) == ("hot", None, "canary", "NOERROR")
    assert told["client"] | {"tenant": ""} == {
        "source": None, "transport": "udp", "subnet": "10.1.3.0/24", "identity": None, "tags": {}, "tenant": "",
    }  # fmt: skip
    assert book.why("10.1.4.0/24") == []


def test_hot_answers_by_sender_are_known(server: DnsServer, book: AnswerFinder) -> None:
    """So is a sender, for answers that depend on it and for those that do not."""
    for _ in range(2):
        ask(server, wire("api.shop.test"), "10.1.9.9")
        ask(server, wire("www.shop.test"), "10.1.9.9")
    server.front.answer_log.recent.clear()
    told = book.why("10.1.9.9")
    assert [(each["name"], each["way"], each["outcome"]) for each in told] == [
        ("api.shop.test", "hot", "canary"),
        ("www.shop.test", "hot", ""),
    ]
    assert all(each["client"]["source"] == "10.1.9.9" for each in told)


def test_identities_are_known(server: DnsServer, book: AnswerFinder) -> None:
    """An identity is found with its namespace and without."""
    ask(server, wire("api.shop.test", client="qa-laptop"))
    for name in ("qa-laptop", "client:qa-laptop"):
        (told,) = book.why(name)
        assert told["explanation"]["decided_by"] == "whitelist client:qa-laptop"
    assert book.why("tls:qa-laptop") == []


def test_what_has_changed_since_is_told(server: DnsServer, book: AnswerFinder) -> None:
    """An answer of an earlier policy says that it would not be given now."""
    subnet = next(
        subnet
        for subnet in (f"10.77.{number}.0/24" for number in range(256))
        if bytes((192, 0, 2, 20)) in ask(server, wire("api.shop.test", subnet=subnet))
    )
    router = server.snapshot.routers["t-demo"]
    (told,) = book.why(subnet)
    assert told["still"]
    ((name, service),) = router.services.items()
    all_stable = evolve(service, split=build_split((), "stable"))
    changed = evolve(router, services={name: all_stable})
    server.swap(evolve(server.snapshot, routers=dict(server.snapshot.routers) | {"t-demo": changed}))
    (told,) = book.why(subnet)
    assert (told["outcome"], told["still"]) == ("canary", False)
    assert told["explanation"]["verdict"] == "version stable of api.shop.test"


def test_refusals_are_remembered(server: DnsServer, book: AnswerFinder) -> None:
    """What was refused is told with the reason that was given."""
    ask(server, wire("elsewhere.example"))
    (told,) = book.why("127.0.0.1")
    assert told["rcode"] == "REFUSED"
    assert told["answer"]


def test_memory_and_replies_are_bounded(server: DnsServer, book: AnswerFinder) -> None:
    """Thousands of answers leave the newest, and a reply has so many at most, the newest first."""
    for number in range(REMEMBERED + 100):
        ask(server, wire(f"n{number}.shop.test"))
    assert len(server.front.answer_log.recent) == REMEMBERED
    told = book.why("127.0.0.1")
    assert len(told) == MAX_ANSWERS
    assert told[0]["name"] == f"n{REMEMBERED + 99}.shop.test"


def test_others_answers_do_not_push_out_a_tenants_own(server: DnsServer, book: AnswerFinder) -> None:
    """A tenant is told of its own answers, however many newer ones others have given."""
    ask(server, wire("www.shop.test", "MX"))
    for number in range(MAX_ANSWERS + 1):
        ask(server, wire(f"n{number}.elsewhere.example"))
    assert [each["name"] for each in book.why("127.0.0.1", "t-demo")] == ["www.shop.test"]


def test_a_client_must_be_named(book: AnswerFinder) -> None:
    """Nothing is no client."""
    with pytest.raises(ControlError):
        book.why(" ")


def test_everything_is_plain(server: DnsServer, book: AnswerFinder) -> None:
    """Only what the administration can send over is in a reply."""

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(each) for key, each in value.items())
        return all(map(plain, value)) if isinstance(value, list) else value is None or type(value) in (
            bool, int, float, str,
        )  # fmt: skip

    for subnet in ("10.1.2.0/24", "10.1.3.0/24", "2001:db8::/48"):
        ask(server, wire("api.shop.test", subnet=subnet))
    assert plain(book.why("10.1.0.0/16"))
    assert plain(book.why("2001:db8::/48"))
    assert plain(book.why("127.0.0.1"))
