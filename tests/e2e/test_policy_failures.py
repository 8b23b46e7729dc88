"""Policies while Consul fails: a leader that dies under a write, two operators, rights lost, a copy not to be had."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, evolve, field

from graydns.control.policy.acceptance import HighWaterMark
from graydns.control.policy.policy_store import PolicyStore
from graydns.control.policy.signatures import encode_kv_entries
from tests.e2e.policysite import CANARY, CLIENTS, READ, STABLE, Site, beside, rights, signed
from tools.consul import ConsulServer, leader_of
from tools.programs import GRAYDNSCTL

pytestmark = pytest.mark.timeout(180)

ACTIVE = "gray/strategy/active"


@define
class Asker:
    """Asks all the time, in a thread of its own. *got*: every answer in its turn, None = there was none."""

    site: Site
    got: list[tuple[str, ...] | None] = field(factory=list)
    _over: threading.Event = field(init=False, factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.005):
            try:
                self.got.append(tuple(self.site.ask(f"198.51.{len(self.got) % 200}.0")))
            except Exception:
                self.got.append(None)


def test_the_leader_dies_under_a_push(three_servers: Sequence[ConsulServer], tmp_path: Path) -> None:
    """What runs stays in every answer until the new one does, which few tries bring once there is a leader again."""
    leader = leader_of(three_servers)
    follower = next(server for server in three_servers if server is not leader)
    site = beside(follower, tmp_path / "graydns")
    eight = site.folder / "policy8.json"
    with site.serving():
        site.ctl("policy", "push", site.file(7, "0"))
        asker = Asker(site)
        with asker.asking():
            pushing = push(site, site.file(8, "100"))
            leader.kill()
            pushing.wait(60)
            for _ in range(20):
                if site.status()["revision"] == 8:
                    break
                again = push(site, str(eight))
                assert again.wait(60) in (0, 1)
            else:
                pytest.fail(f"not after twenty tries: {site.status()}")
            assert site.canaries() == CLIENTS
        assert site.status()["refused"] is None
        assert whole(site) == {7, 8}
    assert None not in asker.got
    assert set(asker.got) == {(STABLE,), (CANARY,)}
    assert (STABLE,) not in asker.got[asker.got.index((CANARY,)) :]


def push(site: Site, file: str) -> subprocess.Popen[str]:
    """A graydnsctl that pushes *file*, beside us."""
    command = [GRAYDNSCTL, "--json", "policy", "push", file]
    return subprocess.Popen(command, cwd=site.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def whole(site: Site) -> set[int]:
    """The numbers of the revisions in KV, each of which has all its keys."""
    rows = site.ctl("policy", "list")
    assert {row["state"] for row in rows} <= {"ok", "lower"}, rows
    return {row["revision"] for row in rows}


def test_two_operators_push_the_same_number(site: Site) -> None:
    """On two nodes at once: one has it published, the other is told; what is published is whole and runs on both."""
    other = beside(site.agent, site.folder.parent / "other")
    with site.serving(), other.serving():
        site.ctl("policy", "push", site.file(7, "0"))
        other.until(lambda: other.status()["revision"] == 7)
        for number in (8, 9, 10):
            pushing = [push(site, site.file(number, "100")), push(other, other.file(number, "50"))]
            said = [json.loads(each.communicate(timeout=60)[0]) for each in pushing]
            won = [each["ok"] for each in said]
            assert sorted(won) == [False, True]
            refusal = said[won.index(False)]["error"]
            assert "another client has changed" in refusal or f"there is a revision {number} already" in refusal
            winner = (site, other)[won.index(True)]
            shown = winner.ctl("policy", "show")
            assert shown == signed_file(winner, number)
            other.until(lambda number=number: other.status()["revision"] == number)  # type: ignore[misc]
            site.until(lambda number=number: site.status()["revision"] == number)  # type: ignore[misc]
        assert whole(site) == {7, 8, 9, 10}


def signed_file(site: Site, number: int) -> object:
    """What that file of a site's says."""
    return json.loads((site.folder / f"policy{number}.json").read_text())


def test_rights_lost_and_given_back(guarded: Site) -> None:
    """While the keys are out of sight another revision is published: it is not seen, and not missed afterwards."""
    site = guarded
    with site.serving():
        site.put({**encode_kv_entries(signed(7, "0")), ACTIVE: b"7"})
        site.until(lambda: site.status()["revision"] == 7)
        rights(site.agent, 'agent_prefix "" { policy = "read" }')
        site.until(lambda: site.refused("absent"))
        site.put({**encode_kv_entries(signed(8, "100")), ACTIVE: b"8"})
        assert 'graydns_policy_refusals_total{reason="absent"} 1.0' in site.metrics()
        assert (site.status()["revision"], site.canaries()) == (7, 0)
        rights(site.agent, READ)
        site.until(lambda: site.canaries() == CLIENTS)
        assert site.status()["refused"] is None


@pytest.mark.parametrize(
    ("mark", "canary", "signature", "reason"),
    [
        (9, "100", "7", "lower"),
        (7, "100", "0", "bad-signature"),
        (7, "99", "7", "altered"),
    ],
)
def test_a_copy_that_is_not_to_be_had(mark: int, canary: str, signature: str, reason: str, site: Site) -> None:
    """A file of a right checksum whose revision is below the mark, or is another's, or another than was accepted."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        assert site.canaries() == CLIENTS
    store = PolicyStore(site.folder / "var")
    kept = store.load()
    assert isinstance(kept.mark, HighWaterMark)
    copy = {**encode_kv_entries(signed(7, canary)), ACTIVE: b"7"}
    if signature == "0":
        copy["gray/strategy/7/percent"] = copy["gray/strategy/7/percent"].replace(b"100", b"50")
    store.save(evolve(kept.mark, revision=mark), None, kept.stored_at, copy)
    site.agent.kill()
    with site.serving():
        told = site.status()
        assert (told["revision"], told["refused"]["reason"], told["high_water"]) == (None, reason, mark)
        assert site.canaries() == 0
