"""Proving: what the validator makes of an upstream's answer, step by step, for ``dnssec explain``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import dns.rdatatype

from graydns.control.asking import read_question, tenant_of
from graydns.control.plain import moment
from graydns.dnssec.steps import Step
from graydns.dnssec.zones import Zones
from graydns.model.decision import Kind
from graydns.model.errors import ControlError, Overloaded, ResolveError
from graydns.model.name import to_text
from graydns.model.proof import Proof, Security
from graydns.model.query import Client, Query
from graydns.resolve.outward import HOP_BY_HOP
from graydns.resolve.validate import SIGNED, Validate
from graydns.server import Server
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.group import UpstreamGroup
from graydns.wire.view import view

#: Who asks: nobody that a rule knows.
_SOURCE = "127.0.0.1"


async def explain(server: Server, name: str, rdtype: str, tenant: str | None, cd: bool) -> dict[str, Any]:
    """How an answer for *tenant*'s clients is judged by who remembers nothing of zones. *cd*: tell the records too.

    It is asked for as it is for them: of the same upstream, and through the same cache. Raises ControlError.
    """
    if (validate := server.validate) is None:
        raise ControlError("nothing is validated here: dnssec.validate is false")
    asked = _question(server.snapshot, name, rdtype, tenant)
    group = _upstream(server.snapshot, asked)
    steps: list[Step] = []
    proof, records = await _judge(validate, asked, steps, cd)
    if proof.security is not Security.SECURE and all(step.security is not proof.security for step in steps):
        steps.append(Step(asked.qname, asked.qtype, proof.security, proof.reason, proof.signer))
    told = {
        "name": to_text(asked.qname),
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(asked.qtype)),
        "tenant": asked.client.tenant,
        "upstream": group.name,
        "at": moment(validate.policy.wall()),
        "steps": [_shown(number, step) for number, step in enumerate(steps, 1)],
        "security": proof.security.value,
        "reason": proof.reason,
        "ede": proof.ede,
        "failed": _failed(proof, steps),
        "until": moment(proof.until),
    }
    return told | ({"records": records} if cd else {})


async def _judge(validate: Validate, asked: Query, steps: list[Step], cd: bool) -> tuple[Proof, list[str]]:
    """What is made of the answer to *asked*, and with *cd* what that is."""
    records: list[str] = []
    try:
        answer = await validate.below.resolve(asked)
        if cd:
            message = view(asked.question, answer)
            records = [line for rrset in (*message.answer, *message.authority) for line in rrset.to_text().split("\n")]
        verdict = await validate.judge(asked, answer, Zones(), validate.policy.negatives(), steps)
    except Overloaded as error:
        raise ControlError(str(error)) from None
    except ResolveError as error:
        return Proof(Security.INDETERMINATE, reason=error.text, ede=error.ede), records
    return verdict.proof, records


def _question(snapshot: Snapshot, name: str, rdtype: str, tenant: str | None) -> Query:
    """The query that a client of *tenant* would cause, with its Decision. Raises ControlError."""
    qname, qtype = read_question(name, rdtype)
    if qtype in HOP_BY_HOP:
        raise ControlError(f"questions for {rdtype} are not passed on")
    if tenant is not None and tenant not in snapshot.routers and tenant not in snapshot.config.tenants:
        raise ControlError(f"there is no tenant {tenant}")
    client = Client(ip_address(_SOURCE).packed, tenant=tenant or tenant_of(snapshot, _SOURCE), may_forward=True)
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    asked = Query(
        0, b"", question, qname, qtype, 1, client, recursion_desired=True, checking_disabled=True, edns=SIGNED
    )
    plan = snapshot.plan(qname, qtype, client.tenant)
    return asked.decided(plan.decide(client), plan)


def _upstream(snapshot: Snapshot, asked: Query) -> UpstreamGroup:
    """Who answers *asked*. Raises ControlError where no upstream does."""
    decision, text = asked.decision, to_text(asked.qname)
    assert decision is not None
    if decision.kind in (Kind.BLOCK, Kind.RECORDS):
        raise ControlError(f"a rule answers for {text}; only what upstreams say is validated")
    zone = snapshot.zones.find(asked.qname)
    if zone is not None and decision.kind is not Kind.UPSTREAM:
        raise ControlError(f"{text} is in {to_text(zone.origin)}, served here; only what upstreams say is validated")
    if not _may_forward(snapshot, asked.client.tenant):
        raise ControlError(f"allow_forward has no client of the tenant {asked.client.tenant}")
    if (group := snapshot.forward.choose(asked)) is None:
        raise ControlError(f"no upstream is configured for {text}")
    return group


def _may_forward(snapshot: Snapshot, tenant: str) -> bool:
    """Whether any client that belongs to *tenant* by its address may have names forwarded; so, if none does."""
    config = snapshot.config
    clients = config.tenants[tenant].clients if tenant in config.tenants else ()
    return not clients or any(
        one.version == other.version and one.overlaps(other) for one in clients for other in config.allow_forward
    )


def _failed(proof: Proof, steps: list[Step]) -> int | None:
    """The number of the step that made the answer one that is refused."""
    if proof.security is not Security.BOGUS and proof.security is not Security.INDETERMINATE:
        return None
    return next((number for number, step in enumerate(steps, 1) if step.security is proof.security), None)


def _shown(number: int, step: Step) -> dict[str, Any]:
    signer = step.signer
    return {
        "step": number,
        "name": to_text(step.name),
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(step.rdtype)),
        "security": step.security.value,
        "text": step.text,
        "zone": signer and to_text(signer.zone),
        "key_tag": signer and signer.tag,
        "algorithm": signer and signer.algorithm,
        "inception": signer and moment(signer.inception),
        "expiration": signer and moment(signer.expiration),
    }
