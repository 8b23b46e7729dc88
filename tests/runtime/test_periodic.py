"""Periodic tasks: a poll at an interval, and a call when the next thing expires."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock

from graydns.runtime.timing import PeriodicTasks


@define(eq=False)
class Scene:
    """Tasks whose calls are logged. *expiry*: seconds until something expires; None = nothing does."""

    clock: Clock = field(factory=Clock)
    polled: list[float] = field(init=False, factory=list)
    expired: list[float] = field(init=False, factory=list)
    expiry: float | None = None
    fails: bool = False
    tasks: PeriodicTasks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tasks = PeriodicTasks(self.clock, self.poll, lambda: 10.0, self.expire, lambda: self.expiry)

    async def poll(self) -> None:
        self.polled.append(self.clock.seconds())
        if self.fails:
            raise LookupError("the poll failed")

    async def expire(self) -> None:
        self.expired.append(self.clock.seconds())
        self.expiry = None


def test_a_poll_at_once_and_at_every_interval() -> None:
    """Until the tasks are stopped."""
    scene = Scene()
    scene.tasks.start()
    scene.clock.pump([10.0, 10.0])
    scene.tasks.stop()
    scene.clock.pump([10.0, 10.0])
    assert scene.polled == [0.0, 10.0, 20.0]
    assert not scene.clock.getDelayedCalls()


def test_polling_goes_on_after_a_failure() -> None:
    """A failed poll is logged, and the next one comes at its time."""
    scene = Scene(fails=True)
    scene.tasks.start()
    scene.clock.advance(10.0)
    assert scene.polled == [0.0, 10.0]
    scene.tasks.stop()


def test_what_expires_is_ended_at_its_time() -> None:
    """A new expiry replaces the one before; before the start none is waited for."""
    scene = Scene(expiry=5.0)
    scene.tasks.schedule_expiry()
    assert not scene.clock.getDelayedCalls()
    scene.tasks.start()
    scene.expiry = 3.0
    scene.tasks.schedule_expiry()
    scene.clock.pump([2.9, 0.1, 2.0])
    scene.tasks.stop()
    assert scene.expired == [3.0]


def test_expiries_are_checked_once_a_minute_whatever_the_wall_clock_says() -> None:
    """An expiry that is far away by a clock that is wrong is looked at again."""
    scene = Scene(expiry=1e6)
    scene.tasks.start()
    scene.clock.advance(60.0)
    scene.tasks.stop()
    assert scene.expired == [60.0]
