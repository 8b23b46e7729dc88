"""An audit line for every answer that the validator processed.

On the path of a query only the values are stored; the writing thread formats them (:func:`format_validation_fields`).
A hit in the hot table has no line: the validation that it repeats had one.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from time import gmtime, strftime
from typing import NamedTuple

from attrs import define, field

from graydns.audit.line_queue import LineQueue
from graydns.config.settings import ClientPrefixSettings
from graydns.model import name
from graydns.model.answer import Answer
from graydns.model.client import unmap_ipv4
from graydns.model.decision import Cohort
from graydns.model.dns_parameters import format_rcode, format_rdtype
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.query import Query

#: Characters of a reason that are written.
_MAX_REASON_CHARACTERS = 500

#: Names without characters to escape.
_PLAIN_NAME = re.compile(rb"[a-z0-9_.-]+")

_quote = json.dumps
_random = random.Random()


class ValidationLine(NamedTuple):
    """The values of a line. *at*: Unix seconds. *source*: packed address, empty where it is unknown. *cohort*: None
    where nothing was decided. *trace*: an id, or empty. *cached*: the answer or failure came from a cache.
    """

    at: float
    qname: bytes
    qtype: int
    rcode: int
    proof: ValidationStatus
    source: bytes
    tenant: str
    cohort: Cohort | None
    trace: str
    cached: bool


@define(eq=False)
class ValidationLineObserver:
    """Implements ``model.query.QueryObserver``. *clock*: monotonic seconds, *wall*: Unix seconds."""

    queue: LineQueue[ValidationLine]
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)

    def answered(self, query: Query, answer: Answer, seconds: float) -> Awaitable[None] | None:
        """Queue a line if *answer* was validated; returns what the reply has to wait for."""
        if (proof := answer.proof) is None:
            return None
        client, decision, trace = query.client, query.decision, query.trace
        cached = proof.since is not None and proof.since < self.clock() - seconds
        return self.queue.put(
            ValidationLine(
                self.wall(),
                query.qname,
                query.qtype,
                answer.rcode,
                proof,
                client.source,
                client.tenant,
                None if decision is None else decision.cohort,
                "" if trace is None else trace.id,
                cached,
            )
        )


def format_validation_fields(what: ValidationLine, prefix: ClientPrefixSettings) -> bytes:
    """The members of the line's JSON object, in ASCII; the client's address is cut to *prefix* bits."""
    # Formatted by hand, as there is a line for every answer: json.dumps of a dictionary takes three times as long.
    cohort, proof = what.cohort, what.proof
    begin = (
        f'"timestamp":"{format_timestamp(what.at)}","qname":{_format_name(what.qname)},"qtype":{_format_type(what.qtype)},'
        f'"rcode":{_format_rcode(what.rcode)},{_format_proof(proof)},"client":{_format_client(what.source, prefix)},'
        f'"tenant":{_quote(what.tenant if cohort is None else cohort.tenant)},"cohort":{_format_cohort(cohort)},'
        f'"trace_id":"{what.trace or format(_random.getrandbits(64), "016x")}","cached":'
    )
    return (begin + ("true" if what.cached else "false")).encode("ascii")


def format_timestamp(at: float) -> str:
    """Unix time *at* in RFC 3339, UTC, with milliseconds."""
    whole = int(at)
    return f"{_format_second(whole)}.{int((at - whole) * 1000):03}Z"


@lru_cache(4)
def _format_second(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at))


def _format_proof(proof: ValidationStatus) -> str:
    signer = proof.signer
    if signer is None:
        signed = '"signer_key_id":null,"signer_name":null,"algorithm":null,"rrsig_ttl":null,"rrsig_expiration":null'
    else:
        signed = (
            f'"signer_key_id":{signer.tag},"signer_name":{_format_name(signer.zone)},"algorithm":{signer.algorithm},'
            f'"rrsig_ttl":{signer.ttl},"rrsig_expiration":"{_format_expiration(signer.expiration)}"'
        )
    begin = f'"validation_status":"{proof.security.value}",{signed}'
    if proof.security is Security.SECURE:
        return begin
    ede = "null" if proof.ede is None else int(proof.ede)
    return f'{begin},"reason":{_quote(proof.reason[:_MAX_REASON_CHARACTERS])},"ede":{ede}'


@lru_cache(4096)
def _format_expiration(at: int) -> str:
    return f"{_format_second(at)}Z"


@lru_cache(4096)
def _format_name(qname: bytes) -> str:
    labels = tuple(name.labels(qname))[:-1]
    text = b".".join(labels)
    if _PLAIN_NAME.fullmatch(text) and text.count(b".") == len(labels) - 1:
        return f'"{text.decode()}"'  # a tenth of the time of to_text
    return _quote(name.to_text(qname))


@lru_cache(256)
def _format_type(qtype: int) -> str:
    return _quote(format_rdtype(qtype))


@lru_cache(64)
def _format_rcode(rcode: int) -> str:
    return _quote(format_rcode(rcode))


@lru_cache(1024)
def _format_cohort(cohort: Cohort | None) -> str:
    """Service, outcome and first endpoint, joined; the default cohort of a tenant has none."""
    return _quote("/".join(cohort[1:]).rstrip("/") if cohort is not None else "")


@lru_cache(4096)
def _format_client(source: bytes, prefix: ClientPrefixSettings) -> str:
    if not source:
        return "null"
    address = unmap_ipv4(ip_address(source))
    bits = prefix.ipv4 if address.version == 4 else prefix.ipv6
    if bits == address.max_prefixlen:
        return _quote(str(address))
    return _quote(str(ip_network((address, bits), strict=False)))
