"""What cannot be explained of validation, and why; what can: tests/e2e/test_dnssec_control.py."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import reactor

from graydns.model.errors import ControlError
from tests.control.running import Running, Site, at_once, in_reactor, run
from tests.coroutines import finished

MAIN = """\
admin: null
http: null
reload: {refresh_interval_ms: 100}
upstreams: {silent: {servers: ['udp://127.0.0.1:9'], deadline: 100ms}}
forward: {test: silent}
allow_forward: [127.0.0.0/8]
dnssec: {validate: true}
tenants:
  default: {rules: [{name: ads, when: {name: "ads.test"}, then: {block: nodata}}]}
  inside: {clients: [127.0.0.0/16]}
  outside: {clients: [192.0.2.0/24]}
"""


@pytest.fixture
def validating(site: Site) -> Running:
    """A validating server whose upstream does not answer."""
    site.write_main(text=MAIN)
    return run(site, reactor, in_thread=at_once)


def explain(running: Running, name: str = "x.test", rdtype: str = "A", tenant: str | None = None) -> dict[str, Any]:
    return finished(running.control.dnssec_explain(name, rdtype, tenant))


def test_nothing_is_explained_where_nothing_is_validated(running: Running) -> None:
    """The error says why."""
    with pytest.raises(ControlError, match=r"dnssec\.validate is false"):
        explain(running)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("www.a.test",), "www.a.test is in a.test, served here"),
        (("ads.test", "A", "default"), "a rule answers for ads.test"),
        (("x.example",), "no upstream is configured for x.example"),
        (("x.test", "A", "nobody"), "there is no tenant nobody"),
        (("x.test", "A", "outside"), "allow_forward has no client of the tenant outside"),
        (("x.test", "AXFR"), "questions for AXFR are not forwarded"),
        (("x.test", "XYZZY"), "unknown record type"),
        (("a..b",), "not a domain name"),
    ],
)
def test_what_no_upstream_is_asked(validating: Running, asked: tuple[str, ...], text: str) -> None:
    """It is refused with the reason."""
    with pytest.raises(ControlError, match=text):
        explain(validating, *asked)


@pytest.mark.integration
@in_reactor
async def test_silence_is_a_step(validating: Running) -> None:
    """Without an answer from the upstream the result is indeterminate, as the last step says."""
    reported = await validating.control.dnssec_explain("x.test", "MX", "inside", cd=True)
    assert (reported["security"], reported["upstream"], reported["tenant"]) == ("indeterminate", "silent", "inside")
    assert [(step["name"], step["type"], step["security"]) for step in reported["steps"]] == [
        ("x.test", "MX", "indeterminate")
    ]
    assert reported["failed"] == 1
    assert reported["records"] == []
    assert reported["reason"]
