"""A control plane in memory with two tenants, of a zone and a service each; and an audit log in memory."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from graydns.model.errors import ControlError
from graydns.operations.testing import FakeControlPlane

SERVICES = {"api.shop.test": ("t-shop", "shop.test"), "web.farm.test": ("t-farm", "farm.test")}


@define(slots=False)
class MemoryControl(FakeControlPlane):
    """A control plane with a little state. *rules*: how many an explanation tries. *busy*: seconds a reload takes."""

    rules: int = 3
    busy: float = 0.0
    percent: dict[str, dict[str, str]] = field(factory=lambda: {name: {"canary": "10"} for name in SERVICES})
    off: list[str] = field(factory=list)

    def status(self) -> dict[str, Any]:
        drift = [{"service": name, "live": share, "actor": "uid:0"} for name, share in self.percent.items()]
        return {
            "version": "0.1.0",
            "snapshot": 7,
            "ready": True,
            "zones": 2,
            "services": 2,
            "gray_off": list(self.off),
            "drift": drift,
            "warnings": ["web.farm.test is odd"],
        }

    def zones(self, tenant: str | None = None) -> list[dict[str, Any]]:
        return [
            {"zone": zone, "tenant": owner, "serial": 1, "config_version": "1", "state": "ok"}
            for owner, zone in SERVICES.values()
            if tenant in (None, owner)
        ]

    async def reload(self, actor: str, force: bool = False, prune: str | None = None) -> dict[str, Any]:
        if prune == "odd":
            raise ZeroDivisionError("a secret of the server")
        if prune:
            raise ControlError(f"the zone {prune} has not vanished")
        await deferLater(reactor, self.busy, lambda: None)
        return {"before": {"snapshot": 7}, "after": {"snapshot": 8}, "ok": True}

    async def reload_force(self, actor: str) -> dict[str, Any]:
        return await self.reload(actor, force=True)

    async def reload_prune(self, zone: str, actor: str) -> dict[str, Any]:
        return await self.reload(actor, prune=zone)

    async def rollback(self, number: int, actor: str) -> dict[str, Any]:
        if number != 6:
            raise ControlError(f"no snapshot {number}")
        return {"before": {"snapshot": 7}, "after": {"snapshot": 6}}

    async def explain(
        self,
        name: str,
        rdtype: str,
        source: str | None = None,
        subnet: str | None = None,
        client: str | None = None,
        tags: dict[str, str] | None = None,
        transport: str = "udp",
        tenant: str | None = None,
    ) -> dict[str, Any]:
        rules = [
            {"rule": f"rule-{at}", "outcome": "block nodata", "matched": False, "reason": "no: the source is elsewhere"}
            for at in range(self.rules)
        ]
        return {
            "tenant": tenant,
            "name": name,
            "qtype": rdtype,
            "key": subnet or source,
            "tags": tags,
            "verdict": "version stable",
            "rules": rules,
        }

    def services(self, tenant: str | None = None) -> list[dict[str, Any]]:
        return [
            {"name": name, "tenant": owner, "zone": zone, "default": "stable", "versions": ["stable", "canary"]}
            for name, (owner, zone) in SERVICES.items()
            if tenant in (None, owner)
        ]

    def service_show(self, name: str) -> dict[str, Any]:
        if name not in self.percent:
            raise ControlError(f"no service {name}")
        return {"name": name, "configured": {"percent": {"canary": "10"}}, "live": {"percent": self.percent[name]}}

    async def service_percent(
        self, name: str, percent: dict[str, str], actor: str, seconds: float | None = None, local: bool = False
    ) -> dict[str, Any]:
        if not set(percent) <= {"canary"}:
            raise ControlError(f"{name} has no version {', '.join(sorted(percent))}")
        if name not in self.percent:
            raise ControlError(f"no service {name}")
        before, self.percent[name] = self.percent[name], percent
        return {"before": before, "after": percent, "seconds": seconds}

    async def service_abort(self, name: str, actor: str, local: bool = False) -> dict[str, Any]:
        return await self.service_percent(name, {"canary": "0"}, actor)

    async def service_revert(self, name: str, actor: str, local: bool = False, policy: bool = False) -> dict[str, Any]:
        return await self.service_percent(name, {"canary": "10"}, actor)

    async def policy_show(self, revision: int | None = None) -> dict[str, Any]:
        return {"meta": {"revision": revision or 7}}

    async def policy_name(self, text: str) -> dict[str, Any]:
        if text != "{}":
            raise ControlError("no JSON")
        return {"revision": 8}

    async def policy_push(
        self, text: str, actor: str, activate: bool = True, base: int | None = None
    ) -> dict[str, Any]:
        await self.policy_name(text)
        return {"before": {"revision": 7}, "after": {"revision": 8}, "activated": activate}

    async def gray_off(self, tenant: str | None, actor: str, local: bool = False) -> dict[str, Any]:
        before = list(self.off)
        self.off.append(tenant or "*")
        return {"before": before, "after": list(self.off)}

    async def gray_on(self, tenant: str | None, actor: str, local: bool = False) -> dict[str, Any]:
        before = list(self.off)
        self.off = [each for each in before if each != (tenant or "*")]
        return {"before": before, "after": list(self.off)}

    def cache_lookup(self, name: str, rdtype: str) -> list[dict[str, Any]]:
        return [{"name": name, "type": rdtype, "ttl": 17, "text": "v=\x1b[31mspf1"}]

    async def nta_add(self, name: str, seconds: float, reason: str, actor: str) -> dict[str, Any]:
        return {"before": None, "after": {"until": seconds, "reason": reason}, "name": name}

    async def dnssec_explain(
        self, name: str, rdtype: str, tenant: str | None = None, cd: bool = False
    ) -> dict[str, Any]:
        step = {"step": 1, "name": name, "type": "DS", "security": "bogus", "text": "bad\x1b[31m", "key_tag": 7}
        reply = {"name": name, "type": rdtype, "tenant": tenant, "steps": [step], "security": "bogus", "failed": 1}
        return reply | ({"records": ["x.test. 300 IN A 192.0.2.1"]} if cd else {})

    def why(self, client: str, tenant: str | None = None) -> list[dict[str, Any]]:
        return [
            {"client": client, "tenant": owner, "name": name, "verdict": "version stable"}
            for name, (owner, _) in SERVICES.items()
            if tenant in (None, owner)
        ]

    def trace_watch(self, name: str, on: bool) -> dict[str, Any]:
        return {"before": not on, "after": on, "names": [name, "web.farm.test"]}

    def trace(self, name: str, last: int = 20) -> list[dict[str, Any]]:
        return [{"name": name, "client": "192.0.2.9", "stages": {"hot": 2.5}}][:last]

    def audit_tail(self, last: int = 50, tenant: str | None = None) -> list[dict[str, Any]]:
        return [{"actor": "uid:0", "action": "reload", "target": "", "tenant": each} for each in (None, "t-shop")][
            :last
        ]

    def audit_verify(self) -> dict[str, Any]:
        return {"lines": 2, "ok": True, "first_bad": None}


@define
class MemoryAudit:
    """An audit log in a list. *full*: the disk has no space left."""

    full: bool = False
    lines: list[dict[str, Any]] = field(factory=list)

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        keys = ("actor", "action", "target", "before", "after", "origin", "tenant")
        values = (actor, action, target, before, after, origin, tenant)
        self.lines.append(dict(zip(keys, values, strict=True)))


def pause(seconds: float) -> Deferred[None]:
    """Let the reactor turn."""
    return deferLater(reactor, seconds, lambda: None)
