"""Negative trust anchors (RFC 7646): names that are not validated for a while, as their signatures are broken.

Those of the configuration expire at the time given there, if any. Those that operators add always expire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import Factory, define, evolve, field

from graydns.config.address import read_name
from graydns.config.dnssec_settings import NegativeTrustAnchor
from graydns.config.issues import ValidationError
from graydns.config.scalar import Text
from graydns.control.live_changes import LiveNegativeTrustAnchor
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.reports.plain_data import format_time
from graydns.control.state import ControlState
from graydns.model.errors import ControlError
from graydns.model.name import ROOT, to_text

#: The longest time until one that an operator adds expires.
MAX_ANCHOR_DAYS = 30

SOURCE_CONFIG, SOURCE_OPERATOR = "config", "operator"

_REASON_TEXT = Text("a reason", min_length=0)


@define(eq=False)
class NegativeTrustAnchorCommands:
    """Adds and removes negative trust anchors. The caller makes sure that one change runs at a time.

    *_expired_until*: Unix seconds up to which the expiry of configured ones has been handled.
    """

    state: ControlState
    live_commands: LiveChangeCommands = field(repr=False)
    _expired_until: float = field(init=False, default=Factory(lambda self: self.state.wall(), takes_self=True))

    def list_anchors(self) -> list[dict[str, Any]]:
        """The negative trust anchors in force, the configured ones first."""
        return [*self._configured_rows(), *self._live_rows()]

    def list_drift(self) -> Iterator[dict[str, Any]]:
        """Those that operators added, as rows of ``drift`` in ``status``."""
        for row in self._live_rows():
            yield {
                "service": None,
                "tenant": None,
                "field": "negative_trust_anchor",
                "file": None,
                "live": row["name"],
                **{key: row[key] for key in ("actor", "at", "until")},
                "unfit": None if self._validates() else "dnssec.validate is false",
            }

    async def add(self, name: str, seconds: float, reason: str, actor: str) -> dict[str, Any]:
        """Do not validate *name* and below for *seconds* from now. Raises ControlError."""
        wire = _read_anchor_name(name)
        if not self._validates():
            raise ControlError("this server does not validate: dnssec.validate is false")
        if not 0 < seconds <= MAX_ANCHOR_DAYS * 86_400:
            raise ControlError(f"a negative trust anchor lasts more than 0 seconds and at most {MAX_ANCHOR_DAYS} days")
        anchor = LiveNegativeTrustAnchor(
            reason=_read_reason(reason), **self.live_commands.record_fields(actor, seconds)
        )
        live = self.state.live
        before = live.negative_trust_anchors.get(wire)
        anchors = {**live.negative_trust_anchors, wire: anchor}
        await self.live_commands.commit(evolve(live, negative_trust_anchors=anchors))
        done = {
            "name": to_text(wire),
            "before": _describe_change(before),
            "after": _describe_change(anchor),
            "until": format_time(anchor.until),
        }
        return done | ({"warning": "this is the root: nothing is validated any more"} if wire == ROOT else {})

    async def remove(self, name: str, actor: str) -> dict[str, Any]:
        """Validate *name* and below again. Raises ControlError."""
        wire = _read_anchor_name(name)
        live = self.state.live
        if (before := live.negative_trust_anchors.get(wire)) is None:
            if any(each.name == wire for each in self._configured()):
                raise ControlError(f"{to_text(wire)} is configured: remove it from dnssec.negative_trust_anchors")
            raise ControlError(f"there is no negative trust anchor at {to_text(wire)}")
        remaining = {each: anchor for each, anchor in live.negative_trust_anchors.items() if each != wire}
        await self.live_commands.commit(evolve(live, negative_trust_anchors=remaining))
        return {"name": to_text(wire), "before": _describe_change(before), "after": None}

    def next_configured_expiry(self) -> float | None:
        """When the next configured one expires (Unix seconds); None = none does."""
        ends = (
            each.until for each in self._configured() if each.until is not None and each.until > self._expired_until
        )
        return min(ends, default=None)

    def expire_configured(self) -> None:
        """Remove validation results and answers that depend on configured ones that have expired by now."""
        before, self._expired_until = self._expired_until, self.state.wall()
        ended = {
            each.name
            for each in self._configured()
            if each.until is not None and before < each.until <= self._expired_until
        }
        self.state.server.flush_validation(ended)

    def _validates(self) -> bool:
        return self.state.server.snapshot.config.dnssec.validate

    def _configured(self) -> Sequence[NegativeTrustAnchor]:
        return self.state.server.snapshot.config.dnssec.negative_trust_anchors

    def _configured_rows(self) -> Iterator[dict[str, Any]]:
        now = self.state.wall()
        for each in self._configured():
            if each.until is None or now < each.until:
                yield _describe_anchor(each.name, SOURCE_CONFIG, each.until)

    def _live_rows(self) -> Iterator[dict[str, Any]]:
        for name, anchor in self.state.live.negative_trust_anchors.items():
            yield _describe_anchor(name, SOURCE_OPERATOR, anchor.until, anchor)


def _describe_anchor(
    name: bytes, source: str, until: float | None, anchor: LiveNegativeTrustAnchor | None = None
) -> dict[str, Any]:
    return {
        "name": to_text(name),
        "source": source,
        "until": format_time(until),
        "actor": anchor and anchor.actor,
        "at": anchor and format_time(anchor.at),
        "reason": anchor and anchor.reason,
    }


def _describe_change(anchor: LiveNegativeTrustAnchor | None) -> dict[str, Any] | None:
    return None if anchor is None else {"until": format_time(anchor.until), "reason": anchor.reason}


def _read_anchor_name(name: str) -> bytes:
    try:
        return read_name(name)
    except ValidationError as error:
        raise ControlError(f"{name!r} is not {error.issues[0].expected}") from None


def _read_reason(reason: str) -> str:
    try:
        return _REASON_TEXT(reason)
    except ValidationError as error:
        raise ControlError(f"expected {error.issues[0].expected}") from None
