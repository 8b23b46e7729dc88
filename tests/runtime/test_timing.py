from __future__ import annotations

from twisted.internet.task import Clock

from graydns.runtime.timing import Deadlines


def make() -> tuple[Clock, list[str], Deadlines[str]]:
    clock, expired = Clock(), list[str]()
    return clock, expired, Deadlines(clock, 8, expired.append)


def test_an_item_expires_once() -> None:
    """An item that lasts its time is handed over, and then forgotten."""
    clock, expired, deadlines = make()
    deadlines.start("a")
    clock.advance(7.9)
    assert expired == []
    clock.advance(0.2)
    clock.advance(100)
    assert expired == ["a"]
    assert len(deadlines) == 0


def test_starting_again_moves_the_end() -> None:
    """An item that is started again has its whole time again, and the others keep theirs."""
    clock, expired, deadlines = make()
    deadlines.start("a")
    clock.advance(1)
    deadlines.start("b")
    clock.advance(6)
    deadlines.start("a")
    clock.advance(2)
    assert expired == ["b"]
    clock.advance(6)
    assert expired == ["b", "a"]


def test_a_stopped_item_does_not_expire() -> None:
    """Stopping an item, twice even, is enough."""
    clock, expired, deadlines = make()
    deadlines.start("a")
    deadlines.stop("a")
    deadlines.stop("a")
    clock.advance(100)
    assert expired == []


def test_the_oldest_is_the_one_started_longest_ago() -> None:
    """Starting again makes an item the youngest."""
    _, _, deadlines = make()
    assert deadlines.oldest() is None
    for item in ("a", "b", "a"):
        deadlines.start(item)
    assert deadlines.oldest() == "b"


def test_one_timer_watches_all() -> None:
    """However many items are started, and however often, there is one delayed call."""
    clock, _, deadlines = make()
    for _ in range(3):
        for item in ("a", "b", "c"):
            deadlines.start(item)
    assert len(clock.getDelayedCalls()) == 1


def test_an_item_may_start_itself_again_when_it_expires() -> None:
    """What expires may be watched for another round."""
    clock, rounds = Clock(), list[float]()

    def expire(item: str) -> None:
        rounds.append(clock.seconds())
        deadlines.start(item)

    deadlines: Deadlines[str] = Deadlines(clock, 8, expire)
    deadlines.start("a")
    clock.pump([4] * 6)
    assert rounds == [8, 16, 24]
    assert len(clock.getDelayedCalls()) == 1


def test_stopping_another_while_expiring() -> None:
    """An item that is stopped because another expired does not expire itself."""
    clock, expired = Clock(), list[str]()

    def expire(item: str) -> None:
        expired.append(item)
        deadlines.stop("b")

    deadlines: Deadlines[str] = Deadlines(clock, 8, expire)
    deadlines.start("a")
    deadlines.start("b")
    clock.advance(8)
    assert expired == ["a"]


def test_closing_leaves_no_timer() -> None:
    """After closing, nothing is scheduled."""
    clock, _, deadlines = make()
    deadlines.start("a")
    deadlines.close()
    assert clock.getDelayedCalls() == []
