"""The admin interface gets what it asks for."""

from __future__ import annotations

from graydns.admin.control_interface import ControlInterface as Wanted
from tests.control.running import Running


def test_control_is_what_the_admin_interface_wants(running: Running) -> None:
    """Every method that operators reach is there; the types are checked by mypy."""
    wanted: Wanted = running.control
    assert wanted.status()["ready"] is False
    assert wanted.upstreams()[0]["upstream"] == "default"
    assert wanted.cache_lookup("www.a.test", "A") == []
