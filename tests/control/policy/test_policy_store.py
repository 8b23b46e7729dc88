"""The policy store: what was accepted outlives a restart, and whoever alters it gains nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.control.policy.acceptance import (
    AcceptanceState,
    HighWaterMark,
    LostHighWaterMark,
    PolicyRevision,
    accept_revision,
    evaluate_listing,
)
from graydns.control.policy.kill_switch import ConsulIndexes
from graydns.control.policy.policy_errors import BadSignatureError, HighWaterMarkLostError, UnsignedRevisionError
from graydns.control.policy.policy_store import POLICY_FILE, WITNESS_FILE, PolicyStore, StoredPolicy
from tests.control.policy.making import NOW, TERMS, other_key, published, strategy, unsigned


def revision_of(listing: dict[str, bytes]) -> PolicyRevision:
    """What is taken of *listing*."""
    _, revision = evaluate_listing(AcceptanceState(), listing, unsigned(), NOW)
    assert revision is not None
    return revision


SEVEN = revision_of(published(strategy()))


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    """A store with SEVEN in it."""
    made = PolicyStore(tmp_path)
    made.save(HighWaterMark(7, SEVEN.digest), SEVEN, NOW)
    return made


def test_nothing_was_kept(tmp_path: Path) -> None:
    """Without a file nothing was ever accepted."""
    assert PolicyStore(tmp_path).load() == StoredPolicy()


def test_the_file_is_gone(store: PolicyStore) -> None:
    """Where something was accepted once, no file is a mark that is lost; a reset, which keeps another, ends that."""
    store.path.unlink()
    mark = store.load().mark
    assert isinstance(mark, LostHighWaterMark)
    assert "is not there" in mark.why
    store.save(HighWaterMark(7, None), None, NOW)
    assert store.load().mark == HighWaterMark(7, None)


def test_the_file_is_older_than_its_witness(store: PolicyStore) -> None:
    """A file that was kept when there was no witness has one from its next reading on."""
    store.witness_path.unlink()
    assert store.load().mark == HighWaterMark(7, SEVEN.digest)
    store.path.unlink()
    assert isinstance(store.load().mark, LostHighWaterMark)


def test_a_witness_that_cannot_be_seen(store: PolicyStore) -> None:
    """What cannot be told is not taken for nothing."""
    store.path.unlink()
    store.witness_path.unlink()
    store.witness_path.symlink_to(store.witness_path.name)
    assert isinstance(store.load().mark, LostHighWaterMark)


def test_what_was_kept(store: PolicyStore) -> None:
    """It is taken at a cold start, without Consul, however old it is; the file is its owner's alone."""
    kept = store.load()
    assert kept == StoredPolicy(HighWaterMark(7, SEVEN.digest), SEVEN.entries, int(NOW))
    state, revision = evaluate_listing(AcceptanceState(kept.mark), kept.copy, TERMS, NOW + 10**9)
    assert revision is not None
    assert accept_revision(state, revision).running == evolve(SEVEN, signed_by="k1")
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(store.data)) == sorted([POLICY_FILE, WITNESS_FILE])


def test_a_mark_alone(store: PolicyStore) -> None:
    """After a reset the mark has no contents, and nothing runs."""
    store.save(HighWaterMark(3, None), None, NOW)
    assert store.load() == StoredPolicy(HighWaterMark(3, None), {}, int(NOW))
    store.save(HighWaterMark(3, None), None, NOW, seen=ConsulIndexes(41, 12))
    assert store.load().seen == ConsulIndexes(41, 12)
    spared = HighWaterMark(3, None, SEVEN.digest)
    store.save(spared, SEVEN, NOW)
    assert store.load() == StoredPolicy(spared, SEVEN.entries, int(NOW))


def test_aborts_before_any_revision(store: PolicyStore) -> None:
    """Services can be aborted where nothing was ever accepted; then there is no mark."""
    store.save(None, None, NOW, {"gray/abort/api.a.test": b"anna"})
    assert store.load() == StoredPolicy(None, {"gray/abort/api.a.test": b"anna"}, int(NOW))
    fresh = PolicyStore(store.data / "other")
    fresh.data.mkdir()
    fresh.save(None, None, NOW, {"gray/abort/api.a.test": b"anna"})
    fresh.path.unlink()
    assert fresh.load() == StoredPolicy()


def test_keys_are_checked_again(store: PolicyStore) -> None:
    """A copy whose key is not configured any more, or which was never signed, is not taken."""
    kept = store.load()
    state, _ = evaluate_listing(
        AcceptanceState(kept.mark), kept.copy, evolve(TERMS, keys={"k1": other_key().public}), NOW
    )
    assert type(state.refused) is BadSignatureError
    store.save(HighWaterMark(8, None), revision_of(published(strategy(8), None)), NOW)
    state, _ = evaluate_listing(AcceptanceState(), store.load().copy, TERMS, NOW)
    assert type(state.refused) is UnsignedRevisionError


def test_any_octet_of_the_file(store: PolicyStore) -> None:
    """A file that is not as it was written has no mark to be believed, so nothing is taken until there is a reset."""
    whole = store.path.read_bytes()

    @given(st.integers(0, len(whole) - 2), st.integers(1, 255))
    def altered(at: int, change: int) -> None:
        store.path.write_bytes(whole[:at] + bytes((whole[at] ^ change,)) + whole[at + 1 :])
        kept = store.load()
        assert isinstance(kept.mark, LostHighWaterMark)
        assert kept.copy == {}
        state, _ = evaluate_listing(AcceptanceState(kept.mark), SEVEN.entries, TERMS, NOW)
        assert type(state.refused) is HighWaterMarkLostError

    altered()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 9999])
def test_files_that_are_none(content: bytes, store: PolicyStore) -> None:
    """A file of anything else is a mark that is lost, not none."""
    store.path.write_bytes(content)
    assert isinstance(store.load().mark, LostHighWaterMark)


def test_a_file_with_a_right_checksum_and_wrong_contents(store: PolicyStore) -> None:
    """The checksum tells accidents; the schema tells the rest."""
    from graydns.control.policy.policy_store import _checksum

    rest = {"format": 1, "mark": {"revision": -1, "digest": None}, "copy": {}, "kept": "2026-11-22T08:00:00Z"}
    store.path.write_text(json.dumps({**rest, "sha256": _checksum(rest)}))
    mark = store.load().mark
    assert isinstance(mark, LostHighWaterMark)
    assert "'-1'" in mark.why


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What is there and cannot be read is not taken for nothing."""
    (tmp_path / POLICY_FILE).mkdir()
    assert isinstance(PolicyStore(tmp_path).load().mark, LostHighWaterMark)


def test_a_disk_that_takes_nothing(store: PolicyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it cannot be written the file is as it was."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = store.path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(HighWaterMark(8, None), None, NOW)
    assert store.path.read_bytes() == before
    assert sorted(os.listdir(store.data)) == sorted([POLICY_FILE, WITNESS_FILE])
