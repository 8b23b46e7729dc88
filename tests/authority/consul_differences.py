"""Where our answers for Consul's domain differ from its own DNS, by reason: the table of docs/consul.md as patterns."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

#: Reason: patterns of questions, the domain left out of the names.
DIFFERENCES = {
    "what has names below it exists (RFC 8020)": """
        consul/[!N]* service/* node/* addr/* connect/* dc1/* service.dc1/* addr.dc1/* _web.service/*
    """,
    "a name exists or not, whatever its type": """
        missing.node/[CS]* dotted.node/[CS]* node.node/[CS]* x.n1.node/[CS]* 0a0000.addr/*
        _web._tcp/* _web._v1/* _web._tcp.dc1/*
    """,
    "other datacenters are not denied": "*.dc2/*",
    "what only a Consul server can look up is not denied": "web.connect/* web.ingress/* db.query/*",
    "only records of the type that was asked for": """
        *.service/TXT *.service.dc1/TXT *.SERVICE/TXT *.service.DC1/TXT *.addr/* *.addr.dc1/* *.addr.dc2/*
    """,
    "a chain has of each name what that name has": "to*.service/* inside.node/*",
    "a CNAME stands for every type, and alone": "n4.node/* blend.service/*",
    "which host name comes is for the client's hash to say": "hosts.service/*",
    "the zone has one SOA and our name servers": "consul/SOA consul/NS web.service/SOA web.service/NS",
}


def reasons(name: str, mnemonic: str) -> list[str]:
    """Why the answers to this question may differ."""
    question = f"{name.removesuffix('.consul')}/{mnemonic}"
    return [
        reason
        for reason, patterns in DIFFERENCES.items()
        if any(fnmatchcase(question, pattern) for pattern in patterns.split())
    ]


def compared(said: dict[str, Any]) -> dict[str, Any]:
    """What is compared of an answer.

    Left out: letter case and repetitions; the metadata of nodes as additional TXT, which we send to those who ask; and
    the authority section, where Consul has its SOA in some negative answers only.
    """
    additional = (line for line in said.get("additional", ()) if " TXT " not in line)
    return {
        "rcode": said["rcode"],
        "aa": said["aa"],
        "answer": {line.lower() for line in said.get("answer", ())},
        "additional": {line.lower() for line in additional},
    }


def differing(there: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The questions whose answers differ, each with the reasons it may."""
    return {
        question: reasons(*question.split())
        for question, answer in there.items()
        if compared(answer) != compared(here[question])
    }
