"""Instances without a port, as what was registered is none."""

from __future__ import annotations

from graydns.model.catalog import ServiceInstance, ServiceView
from tests.authority.consul_asking import Known, make_zones, say


def test_an_instance_without_a_port_has_an_address() -> None:
    """It is in A, and not in SRV; a service of which nobody has a port has none, but exists."""
    odd = ServiceInstance("n1", "192.0.2.1", "web", "w1", port=None)
    good = ServiceInstance("n2", "192.0.2.2", "web", "w2", port=80)
    zones = make_zones(Known({"web": ServiceView("web", (odd, good)), "odd": ServiceView("odd", (odd,))}))

    def data(name: str, rdtype: str) -> list[str]:
        return [record.split()[-1] for record in say(zones, name, rdtype).get("answer", [])]

    assert sorted(data("web.service.consul", "A")) == ["192.0.2.1", "192.0.2.2"]
    assert data("web.service.consul", "SRV") == ["n2.node.dc1.consul."]
    assert data("odd.service.consul", "A") == ["192.0.2.1"]
    assert (data("odd.service.consul", "SRV"), say(zones, "odd.service.consul", "SRV")["rcode"]) == ([], "NOERROR")
