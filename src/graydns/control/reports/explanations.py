"""For operators: how a query is decided (``explain``), and how an answer is validated (``dnssec explain``)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import dns.rdatatype
from attrs import asdict, evolve

from graydns.control.arguments import find_tenant, parse_question
from graydns.control.reports.plain_data import format_time, to_plain
from graydns.dnssec.zone_status import ValidationStep, ZoneStatusCache
from graydns.model.client import IDENTITY_PREFIXES, Client, Subnet
from graydns.model.decision import DecisionKind
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.errors import ControlError, OverloadedError, ResolveError
from graydns.model.name import to_text
from graydns.model.query import Query
from graydns.model.transport import parse_transport
from graydns.resolve.links.forwarding_policy import HOP_BY_HOP_TYPES
from graydns.resolve.links.validation import VALIDATION_EDNS, ValidatingLink
from graydns.server import DnsServer
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.server_groups import UpstreamGroup
from graydns.wire.answer_body import make_dns_message


def explain_decision(
    snapshot: Snapshot,
    name: str,
    rdtype: str,
    source: str | None,
    subnet: str | None,
    client: str | None,
    tags: Mapping[str, str] | Sequence[str] | None,
    transport: str,
    tenant: str | None,
) -> Generator[None, None, dict[str, Any]]:
    """How *snapshot* decides for a query, in one step a rule. Everything given about the client is trusted.

    Raises ControlError.
    """
    qname, qtype = parse_question(name, rdtype)
    try:
        over = parse_transport(transport)
        address = ip_address(source or "127.0.0.1")
        network = None if subnet is None else ip_network(subnet, strict=False)
    except ValueError as error:
        raise ControlError(str(error)) from None
    if client is not None and not client.startswith(IDENTITY_PREFIXES):
        client = f"client:{client}"
    querier = Client(
        source=address.packed,
        transport=over,
        subnet=None if network is None else Subnet(network.network_address.packed, network.prefixlen),
        identity=client,
        tags=tuple(sorted(_parse_tags(tags))),
        tenant=tenant or find_tenant(snapshot, str(address)),
        may_forward=True,
    )
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    query = Query(0, b"", question, qname, qtype, 1, querier, recursion_desired=True)
    explanation = yield from snapshot.explain_steps(query)
    rules = []
    for note in explanation.rules:
        rules.append(asdict(note))
        yield
    return {**to_plain(evolve(explanation, rules=()).to_data()), "rules": rules}


def _parse_tags(tags: Mapping[str, str] | Sequence[str] | None) -> list[tuple[str, str]]:
    if isinstance(tags, Mapping):
        return list(tags.items())
    pairs = [tag.partition("=") for tag in tags or ()]
    if any(not mark for _, mark, _ in pairs):
        raise ControlError("a tag is written KEY=VALUE")
    return [(key, value) for key, _, value in pairs]


#: The address of a client that belongs to no tenant and matches no rule.
_UNKNOWN_CLIENT = "127.0.0.1"


async def explain_validation(server: DnsServer, name: str, rdtype: str, tenant: str | None, cd: bool) -> dict[str, Any]:
    """How an answer for clients of *tenant* is validated, starting from the trust anchors. *cd*: its records as well.

    The query takes the path of theirs: the same upstream and the same cache. What is known of zones is not used. Raises
    ControlError.
    """
    if (validate := server.validator) is None:
        raise ControlError("this server does not validate: dnssec.validate is false")
    query = _make_query(server.snapshot, name, rdtype, tenant)
    group = _find_upstream(server.snapshot, query)
    steps: list[ValidationStep] = []
    proof, records = await _validate(validate, query, steps, cd)
    if proof.security is not Security.SECURE and all(step.security is not proof.security for step in steps):
        steps.append(ValidationStep(query.qname, query.qtype, proof.security, proof.reason, proof.signer))
    outcome = {
        "name": to_text(query.qname),
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.qtype)),
        "tenant": query.client.tenant,
        "upstream": group.name,
        "at": format_time(validate.policy.wall()),
        "steps": [_describe_step(number, step) for number, step in enumerate(steps, 1)],
        "security": proof.security.value,
        "reason": proof.reason,
        "ede": proof.ede,
        "failed": _failed_step(proof, steps),
        "until": format_time(proof.expires_at),
    }
    return outcome | ({"records": records} if cd else {})


async def _validate(
    validate: ValidatingLink, query: Query, steps: list[ValidationStep], cd: bool
) -> tuple[ValidationStatus, list[str]]:
    """The validation result of the answer to *query*, and with *cd* its records."""
    records: list[str] = []
    try:
        answer = await validate.below.resolve(query)
        if cd:
            message = make_dns_message(query.question, answer)
            records = [line for rrset in (*message.answer, *message.authority) for line in rrset.to_text().split("\n")]
        verdict = await validate.validate_answer(
            query, answer, ZoneStatusCache(), validate.policy.negative_anchors(), steps
        )
    except OverloadedError as error:
        raise ControlError(str(error)) from None
    except ResolveError as error:
        return ValidationStatus(Security.INDETERMINATE, reason=error.text, ede=error.ede), records
    return verdict.proof, records


def _make_query(snapshot: Snapshot, name: str, rdtype: str, tenant: str | None) -> Query:
    """The query that a client of *tenant* would send, with its Decision. Raises ControlError."""
    qname, qtype = parse_question(name, rdtype)
    if qtype in HOP_BY_HOP_TYPES:
        raise ControlError(f"questions for {rdtype} are not forwarded")
    if tenant is not None and tenant not in snapshot.routers and tenant not in snapshot.config.tenants:
        raise ControlError(f"there is no tenant {tenant}")
    client = Client(
        ip_address(_UNKNOWN_CLIENT).packed, tenant=tenant or find_tenant(snapshot, _UNKNOWN_CLIENT), may_forward=True
    )
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    query = Query(
        0, b"", question, qname, qtype, 1, client, recursion_desired=True, checking_disabled=True, edns=VALIDATION_EDNS
    )
    plan = snapshot.plan(qname, qtype, client.tenant)
    return query.with_decision(plan.decide(client), plan)


def _find_upstream(snapshot: Snapshot, query: Query) -> UpstreamGroup:
    """The upstream that *query* is forwarded to. Raises ControlError if there is none."""
    decision, text = query.decision, to_text(query.qname)
    assert decision is not None
    if decision.kind in (DecisionKind.BLOCK, DecisionKind.RECORDS):
        raise ControlError(f"a rule answers for {text}; only what upstreams say is validated")
    zone = snapshot.zones.find(query.qname)
    if zone is not None and decision.kind is not DecisionKind.UPSTREAM:
        raise ControlError(f"{text} is in {to_text(zone.origin)}, served here; only what upstreams say is validated")
    if not _may_forward(snapshot, query.client.tenant):
        raise ControlError(f"allow_forward has no client of the tenant {query.client.tenant}")
    if (group := snapshot.forward.choose_group(query)) is None:
        raise ControlError(f"no upstream is configured for {text}")
    return group


def _may_forward(snapshot: Snapshot, tenant: str) -> bool:
    """Whether names are forwarded for any address that belongs to *tenant*; also if no address does."""
    config = snapshot.config
    clients = config.tenants[tenant].clients if tenant in config.tenants else ()
    return not clients or any(
        one.version == other.version and one.overlaps(other) for one in clients for other in config.allow_forward
    )


def _failed_step(proof: ValidationStatus, steps: list[ValidationStep]) -> int | None:
    """The number of the step at which validation failed; None = it did not."""
    if proof.security is not Security.BOGUS and proof.security is not Security.INDETERMINATE:
        return None
    return next((number for number, step in enumerate(steps, 1) if step.security is proof.security), None)


def _describe_step(number: int, step: ValidationStep) -> dict[str, Any]:
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
        "inception": signer and format_time(signer.inception),
        "expiration": signer and format_time(signer.expiration),
    }
