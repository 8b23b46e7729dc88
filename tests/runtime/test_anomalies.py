"""The log of odd things keeps its pace and escapes what it says."""

from typing import Any

from twisted.logger import globalLogPublisher

from graydns.runtime.anomalies import MAX_LINES_PER_SECOND, AnomalyLog

SOURCE = b"\x7f\0\0\1"


def lines_of(log: AnomalyLog, sources: list[bytes], detail: str = "x") -> list[dict[str, Any]]:
    """The log events that notes from *sources* make."""
    events: list[dict[str, Any]] = []

    def observer(event: Any) -> None:
        if "kind" in event:
            events.append(event)

    globalLogPublisher.addObserver(observer)  # type: ignore[arg-type]
    try:
        for source in sources:
            log.note(source, "garbage", detail)
    finally:
        globalLogPublisher.removeObserver(observer)  # type: ignore[arg-type]
    return events


def test_one_line_a_second_per_source_and_all_counted() -> None:
    """A source has one line a second; the counter has every note."""
    now = 0.0
    log = AnomalyLog(lambda: now)
    assert len(lines_of(log, [SOURCE] * 50)) == 1
    now = 1.0
    assert len(lines_of(log, [SOURCE] * 50)) == 1
    assert log.counts["garbage"] == 100


def test_forged_sources_cannot_fill_the_log() -> None:
    """All sources together have a bounded number of lines a second."""
    log = AnomalyLog(lambda: 0.0)
    sources = [number.to_bytes(4, "big") for number in range(20_000)]
    assert len(lines_of(log, sources)) == MAX_LINES_PER_SECOND


def test_control_characters_are_escaped() -> None:
    """Text from the network cannot draw on a terminal."""
    (event,) = lines_of(AnomalyLog(lambda: 0.0), [SOURCE], "\x1b[31mred\nline")
    assert event["detail"] == "\\x1b[31mred\\nline"
