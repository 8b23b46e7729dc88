"""The caches as operators see them."""

from __future__ import annotations

from twisted.internet import reactor

from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.name import from_text
from graydns.resolve.key import Key
from tests.control.running import Site, at_once, run


def test_an_entry_is_told_by_what_operators_know(site: Site) -> None:
    """The upstream by its name, the cohort by its parts, and what is left of its time."""
    site.write_main("upstreams: {up: {servers: ['udp://127.0.0.1:9']}}\n")
    running = run(site, reactor, in_thread=at_once)
    store, group = running.server.stores.answers, running.server.snapshot.forward.by_name["up"]
    key = Key(from_text("x.test"), 1, 1, False, False, group.identity, (), Cohort("default"), "default", None)
    store.keep(key, Answer(origin=group, ttl=300, forwarded=True), running.server.front.clock())
    (row,) = running.control.cache_lookup("x.test", "A")
    assert (row["tenant"], row["upstream"], row["cohort"]) == ("default", "up", ["default", "", "", ""])
    assert 0 < row["left"] <= 300
