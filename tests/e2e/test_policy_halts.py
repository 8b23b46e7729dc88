"""Aborts and gray off while Consul loses its data: they stay until somebody ends them, and ending them works."""

from __future__ import annotations

import pytest

from graydns.control.policy.signatures import encode_kv_entries
from tests.e2e.policysite import CLIENTS, Site, signed

pytestmark = pytest.mark.timeout(180)

API = "api.a.test"
ACTIVE = "gray/strategy/active"
ABORT = f"gray/abort/{API}"


def lose(site: Site) -> None:
    """Have the agent come back with nothing of what it knew."""
    site.agent.kill()
    site.agent.forget()
    site.agent.start()
    site.agent.wait_ready()


def there(site: Site, key: str) -> bool:
    """Whether KV has it."""
    return bool(site.agent.call("GET", f"/v1/kv/{key}")[0] == 200)


def audited(site: Site) -> list[tuple[str, str]]:
    """What came from KV by the audit log, but for revisions."""
    lines = [line for line in site.ctl("audit", "tail") if line["origin"] == "consul"]
    return [(line["action"], line["target"]) for line in lines if line["action"] != "policy take"]


def test_an_abort_outlasts_the_data_of_consul(site: Site) -> None:
    """It is written back, so that the next revision finds it there; revert ends it, and all of it is audited."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.ctl("service", "abort", API)
        lose(site)
        site.until(lambda: there(site, ABORT))
        site.ctl("policy", "push", site.file(8, "100"))
        assert (site.status()["revision"], site.status()["aborted"], site.canaries()) == (8, [API], 0)
        assert "warning" not in site.ctl("service", "revert", API)
        assert (there(site, ABORT), site.canaries()) == (False, CLIENTS)
        assert audited(site)[0] == ("service abort", API)
        log = site.log()
    assert f"{ABORT} had vanished from KV, and is written back" in log
    assert f"service abort {API}, by a key in KV" in log


def test_reverts_in_a_consul_without_a_revision(site: Site) -> None:
    """Both end here as soon as Consul has confirmed that their keys are not there; others' halts begin and end."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.ctl("service", "abort", API)
        site.ctl("gray", "off")
        site.agent.must("DELETE", "/v1/kv/gray/?recurse")
        site.until(lambda: there(site, ABORT) and there(site, "gray/off/*"))
        assert "warning" not in site.ctl("gray", "on")
        assert (site.status()["off"], site.canaries()) == ([], 0)
        assert "warning" not in site.ctl("service", "revert", API)
        assert (site.status()["aborted"], site.canaries()) == ([], CLIENTS)
        site.put({ABORT: b"anna"})
        site.until(lambda: site.canaries() == 0)
        site.agent.must("DELETE", f"/v1/kv/{ABORT}")
        site.until(lambda: site.canaries() == CLIENTS)
        assert audited(site)[-2:] == [("service abort", API), ("service revert", API)]


def test_what_was_ended_meanwhile_and_what_was_lost(site: Site) -> None:
    """Over a restart: a key that was taken out of the Consul that there was is over; one that another lacks is not."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.put({ABORT: b"anna"})
        site.until(lambda: site.canaries() == 0)
    site.agent.must("DELETE", f"/v1/kv/{ABORT}")
    with site.serving():
        site.until(lambda: site.canaries() == CLIENTS)
        site.put({ABORT: b"anna"})
        site.until(lambda: site.canaries() == 0)
    lose(site)
    for number in range(40):  # so that its index is no lower than that of the one before
        site.put({f"other/{number}": b""})
    site.put({**encode_kv_entries(signed(8, "100")), ACTIVE: b"8"})
    with site.serving():
        site.until(lambda: bool(site.status()["revision"] == 8))
        site.until(lambda: there(site, ABORT))
        assert site.canaries() == 0
        site.agent.must("DELETE", f"/v1/kv/{ABORT}")
        site.until(lambda: site.canaries() == CLIENTS)


def test_a_token_that_may_only_read(guarded: Site) -> None:
    """It writes nothing back; what is in force here stays so over the next revision."""
    site = guarded
    with site.serving():
        site.put({**encode_kv_entries(signed(7, "100")), ACTIVE: b"7", ABORT: b"anna"})
        site.until(lambda: site.status()["aborted"] == [API])
        site.agent.must("DELETE", "/v1/kv/gray/?recurse")
        site.until(lambda: site.refused("absent"))
        site.put({**encode_kv_entries(signed(8, "100")), ACTIVE: b"8"})
        site.until(lambda: bool(site.status()["revision"] == 8))
        assert (there(site, ABORT), site.canaries()) == (False, 0)
        assert "Permission denied" in site.ctl("service", "revert", API, status=1)
        assert site.status()["aborted"] == [API]
