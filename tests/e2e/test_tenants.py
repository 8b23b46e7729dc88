"""Tenants side by side: doors of their own, quotas, and memory that does not cross."""

from __future__ import annotations

import socket
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode

from tests.e2e.serving import serving, write
from tools.ports import free_ports


def ask(port: int, name: str, rdtype: str = "A", options: tuple[dns.edns.Option, ...] = ()) -> dns.message.Message:
    """The answer over UDP."""
    query = dns.message.make_query(name, rdtype, use_edns=0, options=list(options))
    return dns.query.udp(query, "127.0.0.1", timeout=5, port=port)


def test_over_its_quota_a_tenant_is_refused_and_others_are_not(tmp_path: Path) -> None:
    """Of 200 queries at once a tenant with 50 a second gets about 50 answered; the rest are REFUSED with EDE."""
    (port,) = free_ports(1)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: zones/
        forward: {{}}
        tenants: {{small: {{qps: 50}}, free: {{qps: 50}}}}
        """
    zones = {
        "small.test": ("tenant_id: small\nisolation_level: compute\n", ""),
        "free.test": ("tenant_id: free\n", ""),
    }
    with serving(write(tmp_path, main, zones), port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for zone, most in (("small.test", 150), ("free.test", 200)):
            query = dns.message.make_query(f"www.{zone}", "A", use_edns=0).to_wire()
            for _ in range(200):
                client.sendto(query, ("127.0.0.1", port))
            answers = [dns.message.from_wire(client.recv(4096)) for _ in range(200)]
            good = [answer for answer in answers if answer.rcode() == dns.rcode.NOERROR]
            assert 50 <= len(good) <= most
            for answer in answers:
                if answer.rcode() != dns.rcode.NOERROR:
                    assert answer.rcode() == dns.rcode.REFUSED
                    assert [int(option.otype) for option in answer.options] == [15]
        assert len(good) == 200


def test_a_tenants_own_door_makes_its_askers_its_own(upstream: int, tmp_path: Path) -> None:
    """What a tenant's rules say of names that are not ours counts, and is cached, at its door and at no other."""
    port, own = free_ports(2)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        zones: zones/
        upstreams: {{knot: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
        forward: {{ext.test: knot}}
        tenants:
          one:
            listen: ["udp://127.0.0.1:{own}"]
            rules: [{{name: fake, when: {{name: "www.ext.test"}}, then: {{records: {{A: 192.0.2.1}}}}}}]
        """
    zones = {"ours.test": ("tenant_id: one\nisolation_level: network+storage\n", "")}
    with serving(write(tmp_path, main, zones), port):
        for _ in range(3):
            assert ask(own, "www.ext.test").answer[0][0].to_text() == "192.0.2.1"
            assert ask(port, "www.ext.test").answer[0][0].to_text() == "192.0.2.80"
            assert ask(own, "other.ext.test").answer[0][0].to_text() == "192.0.2.99"
            assert ask(port, "other.ext.test").answer[0][0].to_text() == "192.0.2.99"
