"""Odd registrations, asked of a real agent and of graydns: what docs/consul.md says of them is so, for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

import dns.exception
import pytest
from attrs import frozen

from graydns.sources.consul.catalog_parser import read_service
from tests.authority.consul_asking import Known, make_zones, say
from tests.authority.consul_scene import Registration, answer, instance, node
from tools.consul import ConsulServer


class Odd(NamedTuple):
    """A question for what is *registered*, and the data of both answers; None: no answer at all."""

    question: str
    there: Sequence[str] | str | None
    here: Sequence[str] | str
    registered: Sequence[Registration]


def odd(service: str, address: str, there: Sequence[str] | None, here: Sequence[str], **more: Any) -> Odd:
    """One instance with that address, asked for by A."""
    return Odd(f"{service}.service.consul A", there, here, [instance("n1", service, address=address, **more)])


ODDS = [
    odd("mapped", "::ffff:192.0.2.5", ["192.0.2.5"], ["192.0.2.5"]),
    odd("zoned", "fe80::1%eth0", ["fe80::1%eth0."], []),
    odd("withport", "10.0.0.1:80", ["10.0.0.1:80."], []),
    odd("digits", "300.1.2.3", ["300.1.2.3."], []),
    odd("octal", "010.8.5.1", ["10.8.5.1"], []),
    odd("dot", ".", ["."], []),
    odd("noname", "a..b", None, []),
    odd("space", "a b", ["a\\032b."], ["a\\032b."]),
    odd("selfy", "selfy.service.consul", ["10.0.0.1"], ["10.0.0.1"]),
    odd("selfcase", "Selfcase.service.consul", ["10.0.0.1", "Selfcase.service.consul."], ["10.0.0.1"]),
    Odd(
        "mixed.service.consul A",
        ["10.0.0.1", "10.9.9.9"],
        ["10.0.0.1", "10.9.9.9"],
        [
            instance("n1", "mixed", address="mixed.service.consul"),
            instance("n1", "mixed", address="10.9.9.9", number=2),
        ],
    ),
    Odd(
        "other.service.dc1.consul A",
        ["10.0.0.1", "other.service.consul."],
        ["10.0.0.1", "other.service.consul."],
        [instance("n1", "other", address="other.service.consul")],
    ),
    Odd(
        "selfsrv.service.consul SRV",
        ["1 1 80 n1.node.dc1.consul."],
        ["1 1 80 n1.node.dc1.consul."],
        [instance("n1", "selfsrv", address="selfsrv.service.consul")],
    ),
    Odd(
        "ring.service.consul A",
        ["gnir.service.consul.", "ring.service.consul."],
        ["gnir.service.consul.", "ring.service.consul."],
        [
            instance("n1", "ring", address="gnir.service.consul"),
            instance("n1", "gnir", address="ring.service.consul"),
        ],
    ),
    Odd("a:b.service.consul A", ["10.0.0.1"], ["10.0.0.1"], [instance("n1", "a:b")]),
    Odd("a/b.service.consul A", ["10.0.0.1"], ["10.0.0.1"], [instance("n1", "a/b")]),
    Odd("p%41.service.consul A", ["10.0.0.1"], ["10.0.0.1"], [instance("n1", "p%41")]),
    Odd("\\.\\..service.consul A", "NXDOMAIN", "NXDOMAIN", []),
    Odd("\\.\\..node.consul A", "NXDOMAIN", "NXDOMAIN", []),
    Odd("_._udp.service.consul A", "SERVFAIL", "NXDOMAIN", []),
]


@frozen
class Both:
    """The agent, and what it has told."""

    agent: ConsulServer
    catalog: Known

    def there(self, question: str) -> Mapping[str, Any] | None:
        """What the agent says; None: nothing."""
        with suppress(dns.exception.Timeout):
            return answer(self.agent.dns, *question.split())
        return None

    def here(self, question: str) -> Mapping[str, Any]:
        """What we say."""
        return say(make_zones(self.catalog), *question.split())


@pytest.fixture
def both(agent: ConsulServer) -> Both:
    """With all that is odd in the agent's catalog, and in ours as the agent tells it."""
    agent.must("PUT", "/v1/catalog/register", node("n1", "10.0.0.1"))
    for one in ODDS:
        for registration in one.registered:
            agent.must("PUT", "/v1/catalog/register", registration)
    names = {registration["Service"]["Service"] for one in ODDS for registration in one.registered}
    told = {name: agent.must("GET", f"/v1/health/service/{quote(name, safe='')}") for name in names}
    return Both(agent, Known({name.lower(): read_service(name, document) for name, document in told.items()}))


def data(said: Mapping[str, Any] | None) -> Sequence[str] | str | None:
    """The data of the records in the answer, sorted, or the rcode where that is an error."""
    if said is None:
        return None
    if said["rcode"] != "NOERROR":
        return str(said["rcode"])
    return sorted(line.partition(" IN ")[2].split(" ", 1)[1] for line in said.get("answer", ()))


def test_what_is_odd(both: Both) -> None:
    """Each as the table says; of the two, ours always answers."""
    for one in ODDS:
        assert (one.question, data(both.there(one.question))) == (one.question, one.there)
        assert (one.question, data(both.here(one.question))) == (one.question, one.here)
