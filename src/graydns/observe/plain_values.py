"""Clients, decisions and times as plain values for --json."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from graydns.fast.answer_log import DecisionSummary
from graydns.model.client import Client
from graydns.model.decision import Decision

#: An object of JSON.
PlainData = dict[str, Any]


def format_timestamp(at: float) -> str:
    """A Unix time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def client_to_plain(client: Client) -> PlainData:
    """A client; ``source`` is None where it is not known."""
    subnet = client.subnet
    return {
        "source": str(ip_address(client.source)) if client.source else None,
        "transport": client.transport.name,
        "subnet": None if subnet is None else f"{ip_address(subnet.address)}/{subnet.prefix}",
        "identity": client.identity,
        "tags": dict(client.tags),
        "tenant": client.tenant,
    }


def decision_to_plain(decision: Decision | DecisionSummary | None, tenant: str) -> PlainData:
    """A decision; *tenant*: the client's, where there is none."""
    if decision is None:
        return {"tenant": tenant, "service": "", "outcome": "", "endpoint": "", "why": "nothing was decided"}
    cohort = decision.cohort
    return {
        "tenant": cohort.tenant,
        "service": cohort.service,
        "outcome": cohort.outcome,
        "endpoint": cohort.endpoint,
        "why": decision.why,
    }
