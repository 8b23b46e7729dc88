"""The audit log of a running server: opened as configured, published hourly, whole at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor

from graydns.audit.audit_service import (
    HEAD_PUBLISH_INTERVAL_SECONDS,
    AuditFigures,
    AuditService,
    PublishHead,
    open_audit_service,
)
from graydns.audit.hmac_chain import AuditHead, PublishedHead, read_audit_key
from graydns.audit.verification import verify_log_files
from graydns.config.settings import Config
from graydns.model.answer import Answer
from graydns.model.errors import ConfigError
from graydns.model.query import QueryObserver
from tests.audit.test_validation_lines import BOGUS, QUERY, SECURE
from tests.config.files import load_main
from tests.coroutines import on_reactor
from tests.listen.running import TimelessReactor, until

reactor: Any = default_reactor


def configured(folder: Path, text: str) -> Config:
    (folder / "graydns.yaml").write_text(f"zones: null\ndata: data\n{text}\n")
    (folder / "data").mkdir(exist_ok=True)
    return load_main(folder / "graydns.yaml")


def opened(
    folder: Path, text: str = "audit: {file: log/a.jsonl}", timely: Any = reactor, publish: PublishHead | None = None
) -> tuple[AuditService, Any]:
    """And what observes the pipeline for it, if anything does."""
    config = configured(folder, text)
    observers: list[QueryObserver] = []
    auditing = open_audit_service(lambda: config, observers, timely, publish)
    return auditing, observers[0] if observers else None


@on_reactor
async def test_answers_and_changes_in_one_file(tmp_path: Path) -> None:
    """From the first start to the end, which waits until all is written and published."""
    auditing, observer = opened(tmp_path)
    auditing.startService()
    for number in range(100):
        assert observer.answered(QUERY, Answer(proof=SECURE if number % 2 else BOGUS), 0.001) is None
    auditing.log.write("uid:0", "gray.off:asked", "", None, None, "unix", None)
    await auditing.stopService()
    figures = auditing.figures()
    assert figures == AuditFigures(100, {"queue": 0, "disk": 0}, 0, 0)
    lines = [json.loads(line) for line in (tmp_path / "log/a.jsonl").read_bytes().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, 102))
    assert sum("action" in line for line in lines) == 1
    head = json.loads((tmp_path / "log/a.jsonl.head").read_bytes())
    assert (head["number"], head["hmac"]) == (101, lines[-1]["hmac"])
    found = verify_log_files(
        tmp_path / "log/a.jsonl",
        read_audit_key(tmp_path / "data/audit.key"),
        [PublishedHead(AuditHead(101, head["hmac"]))],
    )
    assert (found.ok, found.published) == (True, 101)
    assert not (tmp_path / "data/audit.log").exists()


@on_reactor
async def test_without_audit_only_changes_are_written(tmp_path: Path) -> None:
    """Where they have always been."""
    auditing, observer = opened(tmp_path, "")
    assert observer is None
    auditing.startService()
    auditing.log.write("uid:0", "gray.off:asked", "", None, None, "unix", None)
    await auditing.stopService()
    assert (tmp_path / "data/audit.log").read_bytes().count(b"\n") == 1
    assert auditing.log.verify()["published"] == 1


@on_reactor
async def test_the_head_is_published_hourly(tmp_path: Path) -> None:
    """At the start, every hour, and on this machine at the end; the same one not twice."""
    timely = TimelessReactor()
    published: list[bytes] = []

    async def publish(head: bytes) -> bytes | None:
        before = published[-1] if published else None
        published.append(head)
        return before

    auditing, _ = opened(tmp_path, "", timely, publish)
    auditing.log.write("", "one", "", None, None, "", None)
    auditing.startService()
    await until(lambda: bool(timely.clock.getDelayedCalls()))
    assert len(published) == 1
    timely.clock.advance(HEAD_PUBLISH_INTERVAL_SECONDS)
    await until(lambda: bool(timely.clock.getDelayedCalls()))
    auditing.log.write("", "two", "", None, None, "", None)
    timely.clock.advance(HEAD_PUBLISH_INTERVAL_SECONDS - 1)
    assert len(published) == 1
    timely.clock.advance(1)
    await until(lambda: len(published) == 2)
    auditing.log.write("", "three", "", None, None, "", None)
    await auditing.stopService()
    assert [json.loads(head)["number"] for head in published] == [1, 2]
    assert auditing.log.verify()["published"] == 3


@on_reactor
async def test_a_head_elsewhere_that_the_log_has_not(tmp_path: Path) -> None:
    """Somebody has cut the log off, with the head that was beside it: the log says so from now on."""

    async def publish(head: bytes) -> bytes | None:
        return b'{"number":714,"hmac":"%s"}' % (b"a" * 64)

    auditing, _ = opened(tmp_path, "", publish=publish)
    auditing.log.write("", "one", "", None, None, "", None)
    auditing.startService()
    await until(lambda: auditing.log.head.number == 2)
    await auditing.stopService()
    assert auditing.log.verify()["why"] == "before line 2 the log was cut off"


@on_reactor
async def test_nobody_to_publish_to_is_no_failure(tmp_path: Path) -> None:
    """The next time tries again, and the copy on the disk is there."""
    timely = TimelessReactor()
    tried: list[bytes] = []

    async def publish(head: bytes) -> bytes | None:
        tried.append(head)
        raise OSError("nobody is there")

    auditing, _ = opened(tmp_path, "", timely, publish)
    auditing.log.write("", "one", "", None, None, "", None)
    auditing.startService()
    await until(lambda: bool(timely.clock.getDelayedCalls()))
    assert len(tried) == 1
    timely.clock.advance(HEAD_PUBLISH_INTERVAL_SECONDS)
    await until(lambda: len(tried) == 2)
    await auditing.stopService()
    assert json.loads((tmp_path / "data/audit.log.head").read_bytes())["number"] == 1


@pytest.mark.parametrize(
    ("text", "file", "content", "told"),
    [
        ("", "data/audit.key", "short", "data: found {folder}/data/audit.key (it is not 64 hexadecimal digits)"),
        ("", "data/audit.log.head", "{}", "data: found {folder}/data/audit.log (audit.log.head: it is not a p"),
        ("audit: {file: plain/a}", "plain", "", "audit.file: found {folder}/plain/a (File exists)"),
    ],
)
def test_what_cannot_be_used_is_a_fault(tmp_path: Path, text: str, file: str, content: str, told: str) -> None:
    """With the place in the configuration that names it."""
    config = configured(tmp_path, text)
    (tmp_path / file).write_text(content)
    with pytest.raises(ConfigError) as caught:
        open_audit_service(lambda: config, [], reactor)
    assert told.format(folder=tmp_path) in str(caught.value)


@on_reactor
async def test_audit_can_come_later_and_elsewhere(tmp_path: Path) -> None:
    """A server that ran before, with another file or none, has its logs whole, each for itself; back again, too."""
    for text in ("", "audit: {file: log/a.jsonl}", "audit: {file: log/b.jsonl}", "", "audit: {file: log/a.jsonl}"):
        auditing, _ = opened(tmp_path, text)
        auditing.startService()
        for _ in range(3):
            auditing.log.write("uid:0", "gray.off:asked", "", None, None, "unix", None)
        assert auditing.log.verify()["why"] == ""
        await auditing.stopService()
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        "a.jsonl",
        "a.jsonl.head",
        "b.jsonl",
        "b.jsonl.head",
    ]


@pytest.mark.parametrize("later", ["", "audit: {file: log/a.jsonl}"])
def test_a_key_that_is_gone(tmp_path: Path, later: str) -> None:
    """No other one is made beside lines that were sealed with it, and the start says why."""
    auditing, _ = opened(tmp_path, "")
    auditing.log.write("", "one", "", None, None, "", None)
    (tmp_path / "data/audit.key").unlink()
    with pytest.raises(ConfigError, match=r"audit\.key \(it is gone, and there are lines that were sealed with it\)"):
        opened(tmp_path, later)
    assert not (tmp_path / "data/audit.key").exists()


def test_a_key_that_is_another_one(tmp_path: Path) -> None:
    """The start says so, and writes nothing."""
    auditing, _ = opened(tmp_path)
    auditing.log.write("", "one", "", None, None, "", None)
    (tmp_path / "data/audit.key").write_text("00" * 32)
    content = (tmp_path / "log/a.jsonl").read_bytes()
    with pytest.raises(
        ConfigError, match=r"audit\.file: .*none of its lines fits audit\.key.* moved away with its head"
    ):
        opened(tmp_path)
    assert (tmp_path / "log/a.jsonl").read_bytes() == content
