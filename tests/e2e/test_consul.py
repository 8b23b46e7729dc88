"""Consul's catalog through graydns: what passes is in the answers, and what is known stays known without Consul."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.e2e.serving import serving, write
from tools.consul import ConsulServer
from tools.ports import free_ports

#: Seconds in which what has to happen within milliseconds must have happened on a machine however busy.
AMPLE = 20.0


@pytest.fixture
def agent(start_agent: Callable[..., ConsulServer]) -> ConsulServer:
    """An agent for one test, in a datacenter that has a name of its own."""
    return start_agent(datacenter="lab")


@pytest.fixture
def port(agent: ConsulServer, tmp_path: Path) -> Iterator[int]:
    """Where a graydns in front of *agent* listens."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: null
        consul: {{address: {agent.address}, service_ttl: {{api: 1s}}, stale_after: 2s}}
        """
    folder = tmp_path / "graydns"
    folder.mkdir()
    with serving(write(folder, main, {}), port):
        yield port


def ask(port: int, name: str, rdtype: str = "A", subnet: str | None = None) -> dns.message.Message:
    """The answer over UDP."""
    options: list[dns.edns.Option] = [] if subnet is None else [dns.edns.ECSOption(subnet, 24)]
    query = dns.message.make_query(name, rdtype, use_edns=0, options=options)
    return dns.query.udp(query, "127.0.0.1", timeout=5, port=port)


def addresses(message: dns.message.Message) -> set[str]:
    """The addresses in an answer."""
    return {rdata.to_text() for rrset in message.answer for rdata in rrset}


def is_stale(message: dns.message.Message) -> bool:
    """Whether it says so (RFC 8914 section 4.4)."""
    return any(isinstance(option, dns.edns.EDEOption) and option.code == 3 for option in message.options)


def register(agent: ConsulServer, number: int, status: str = "passing", **more: object) -> None:
    """Have an instance of ``web`` with a check of its own."""
    check = {"CheckID": f"c{number}", "TTL": "1h", "Status": status}
    body = {"Name": "web", "ID": f"web{number}", "Address": f"192.0.2.{number}", "Port": 80, "Check": check, **more}
    agent.must("PUT", "/v1/agent/service/register", body)


def until(true: Callable[[], bool]) -> None:
    """Return once that is *true*."""
    end = time.monotonic() + AMPLE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_instances_come_and_go_with_their_checks(agent: ConsulServer, port: int) -> None:
    """One that turns critical leaves the answers, hot ones too, and comes back; the last one gone, the name is."""
    register(agent, 1)
    register(agent, 2, Tags=["v2"])
    assert addresses(ask(port, "web.service.consul")) == {"192.0.2.1", "192.0.2.2"}
    assert ask(port, "web.service.consul").answer[0].ttl == 5
    assert addresses(ask(port, "v2.web.service.consul")) == {"192.0.2.2"}
    assert {len(ask(port, "web.service.consul", subnet=f"198.51.{n}.0").answer[0]) for n in range(20)} == {2}
    agent.must("PUT", "/v1/agent/check/fail/c1")
    until(lambda: addresses(ask(port, "web.service.consul")) == {"192.0.2.2"})
    agent.must("PUT", "/v1/agent/check/pass/c1")
    until(lambda: addresses(ask(port, "web.service.consul")) == {"192.0.2.1", "192.0.2.2"})
    for number in (1, 2):
        agent.must("PUT", f"/v1/agent/service/deregister/web{number}")
    until(lambda: ask(port, "web.service.consul").rcode() == dns.rcode.NXDOMAIN)
    register(agent, 3)
    until(lambda: addresses(ask(port, "web.service.consul")) == {"192.0.2.3"})


def test_a_client_keeps_its_first_instance(agent: ConsulServer, port: int) -> None:
    """Clients are spread over the instances, each always gets the same one first, and SRV leads with the same."""
    for number in (1, 2, 3):
        register(agent, number)
    until(lambda: len(addresses(ask(port, "web.service.consul"))) == 3)

    def first(number: int) -> str:
        return str(ask(port, "web.service.consul", subnet=f"198.51.{number}.0").answer[0][0])

    before = [first(number) for number in range(40)]
    assert len(set(before)) == 3
    assert [first(number) for number in range(40)] == before


def test_what_is_known_is_answered_without_consul(agent: ConsulServer, port: int) -> None:
    """A frozen, then a killed agent costs no answer; after a while answers say they are stale, until it is back."""
    register(agent, 1)
    assert addresses(ask(port, "web.service.consul")) == {"192.0.2.1"}

    def stale() -> bool:
        answer = ask(port, "web.service.consul")
        assert addresses(answer) == {"192.0.2.1"}
        return is_stale(answer)

    assert not stale()
    agent.freeze()
    until(stale)
    agent.thaw()
    until(lambda: not stale())
    agent.kill()
    until(stale)
    assert ask(port, "unheard.service.consul").rcode() == dns.rcode.SERVFAIL
    agent.forget()
    agent.start()  # with nothing of what it knew
    agent.wait_ready()
    until(lambda: not stale())
    register(agent, 4)
    until(lambda: addresses(ask(port, "web.service.consul")) == {"192.0.2.4"})


def test_nodes_and_odd_names_are_answered(agent: ConsulServer, port: int) -> None:
    """A node has its address; what cannot exist does not; another datacenter's names are not ours."""
    assert addresses(ask(port, "solo.node.consul")) == {"127.0.0.1"}
    assert ask(port, "none.node.consul").rcode() == dns.rcode.NXDOMAIN
    assert ask(port, "no-such.service.consul").rcode() == dns.rcode.NXDOMAIN
    until(lambda: addresses(ask(port, "solo.node.lab.consul")) == {"127.0.0.1"})
    assert ask(port, "web.service.elsewhere.consul").rcode() == dns.rcode.REFUSED
    assert ask(port, "consul", "SOA").answer


@pytest.mark.agent_keeps_data
def test_a_start_without_consul_knows_what_was_known(agent: ConsulServer, tmp_path: Path) -> None:
    """What was told before a restart is answered after it, as stale once it is old, and follows Consul again."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: null
        consul: {{address: {agent.address}, stale_after: 1s}}
        """
    folder = tmp_path / "again"
    folder.mkdir()
    config = write(folder, main, {})
    register(agent, 1)
    with serving(config, port):
        assert addresses(ask(port, "web.service.consul")) == {"192.0.2.1"}
    agent.kill()
    with serving(config, port):
        assert addresses(ask(port, "web.service.consul")) == {"192.0.2.1"}
        until(lambda: is_stale(ask(port, "web.service.consul")))
        agent.start()
        agent.wait_ready()
        agent.must("PUT", "/v1/agent/check/pass/c1")  # checks that live by TTL do not outlive the agent
        register(agent, 2)
        until(lambda: addresses(ask(port, "web.service.consul")) == {"192.0.2.1", "192.0.2.2"})


def test_the_name_server_of_the_domain_is_this_server(agent: ConsulServer, port: int) -> None:
    """A resolver that follows the NS record comes back here."""
    register(agent, 1)
    (name,) = (rdata.target.to_text() for rdata in ask(port, "consul", "NS").answer[0])
    assert addresses(ask(port, name)) == {"127.0.0.1"}
    assert ask(port, name, "AAAA").rcode() == dns.rcode.NOERROR


def test_a_domain_within_a_zone_of_a_tenant_is_the_tenants(agent: ConsulServer, tmp_path: Path) -> None:
    """Its rules count at names of the catalog, where nobody else's do, and its name servers are those of the zone."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        consul: {{address: {agent.address}, domain: consul.app.test}}
        """
    rule = (
        "rules: [{{name: r, when: {{name: '{0}.service.consul.app.test'}}, then: {{records: {{A: 198.51.100.1}}}}}}]\n"
    )
    zones = {
        "app.test": ("tenant_id: t-app\n" + rule.format("ruled"), ""),
        "other.test": ("tenant_id: t-other\n" + rule.format("web"), ""),
    }
    folder = tmp_path / "tenants"
    folder.mkdir()
    register(agent, 1)
    with serving(write(folder, main, zones), port):
        assert addresses(ask(port, "ruled.service.consul.app.test")) == {"198.51.100.1"}
        assert addresses(ask(port, "web.service.consul.app.test")) == {"192.0.2.1"}
        assert [str(rdata) for rdata in ask(port, "consul.app.test", "NS").answer[0]] == ["ns.test."]


def test_of_thousands_of_instances_tcp_has_as_many_as_fit(agent: ConsulServer, tmp_path: Path) -> None:
    """About as many as Consul's own DNS gives, whole; over UDP the answer says that there is more."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]
        zones: null
        consul: {{address: {agent.address}}}
        """
    folder = tmp_path / "many"
    folder.mkdir()
    agent.must("PUT", "/v1/catalog/register", {"Node": "rack", "Address": "10.0.0.9"})
    for start in range(0, 6000, 60):
        services = [
            {"Service": "big", "ID": f"big-{at}", "Address": f"10.1.{at // 256}.{at % 256}", "Port": 80}
            for at in range(start, start + 60)
        ]
        operations = [{"Service": {"Verb": "set", "Node": "rack", "Service": one}} for one in services]
        agent.must("PUT", "/v1/txn", operations)
    with serving(write(folder, main, {}), port):
        until(lambda: ask(port, "big.service.consul").rcode() == dns.rcode.NOERROR)
        for rdtype, least in (("A", 3_800), ("SRV", 990)):
            query = dns.message.make_query("big.service.consul", rdtype, use_edns=0)
            here, there = (dns.query.tcp(query, "127.0.0.1", timeout=10, port=to) for to in (port, agent.dns))
            assert not here.flags & dns.flags.TC
            assert least <= len(here.answer[0])
            assert 0.9 * len(there.answer[0]) <= len(here.answer[0])
            assert ask(port, "big.service.consul", rdtype).flags & dns.flags.TC


def test_over_udp_what_does_not_fit_is_asked_for_over_tcp(agent: ConsulServer, port: int) -> None:
    """Consul sends some of the records and does not say so; a part of an RRset is none (RFC 2181 section 5)."""
    for number in range(1, 61):
        register(agent, number)
    until(lambda: len(addresses(ask(port, "web.service.consul"))) == 60)
    for rdtype in ("A", "SRV"):
        query = dns.message.make_query("web.service.consul", rdtype)  # without EDNS
        here, there = (dns.query.udp(query, "127.0.0.1", timeout=5, port=to) for to in (port, agent.dns))
        assert (here.answer, bool(here.flags & dns.flags.TC)) == ([], True)
        assert (len(there.answer[0]), bool(there.flags & dns.flags.TC)) == (3, False)
