"""Validations: an audit line for every answer that the validator looked at.

On the path of a query it only notes what there is; texts are made of it in the thread that writes (:func:`fields`).
A hit in the hot table makes no line: the validation it repeats did.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from time import gmtime, strftime
from typing import NamedTuple

from attrs import define, field

from graydns.config.audit import ClientPrefix
from graydns.model import name
from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.proof import Proof, Security
from graydns.model.query import Query
from graydns.observe.audit.queue import Queue
from graydns.observe.render import show_rcode, show_type

#: Characters of a reason that are written.
_LONGEST = 500

#: Names in which nothing is to be escaped.
_PLAIN = re.compile(rb"[a-z0-9_.-]+")

_quoted = json.dumps
_random = random.Random()


class Validation(NamedTuple):
    """What a line tells. *at*: Unix seconds. *source*: packed address, empty where it is not known. *cohort*: None
    where nothing was decided. *trace*: an id, or empty. *cached*: the answer or failure was there before it was
    asked for.
    """

    at: float
    qname: bytes
    qtype: int
    rcode: int
    proof: Proof
    source: bytes
    tenant: str
    cohort: Cohort | None
    trace: str
    cached: bool


@define(eq=False)
class Validations:
    """Implements ``model.observe.QueryObserver``. *clock*: monotonic seconds, *wall*: Unix seconds."""

    queue: Queue[Validation]
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)

    def answered(self, query: Query, answer: Answer, seconds: float) -> Awaitable[None] | None:
        """Note *answer* if it was validated; what its asker has to wait for."""
        if (proof := answer.proof) is None:
            return None
        client, decision, trace = query.client, query.decision, query.trace
        cached = proof.since is not None and proof.since < self.clock() - seconds
        return self.queue.put(
            Validation(
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


def fields(what: Validation, prefix: ClientPrefix) -> bytes:
    """The inside of the line's JSON object, in ASCII; of a client's address *prefix* bits."""
    # By hand, as it is made for every answer: json.dumps of a dictionary takes three times as long.
    cohort, proof = what.cohort, what.proof
    begin = (
        f'"timestamp":"{show_moment(what.at)}","qname":{_name(what.qname)},"qtype":{_type(what.qtype)},'
        f'"rcode":{_rcode(what.rcode)},{_proof(proof)},"client":{_client(what.source, prefix)},'
        f'"tenant":{_quoted(what.tenant if cohort is None else cohort.tenant)},"cohort":{_cohort(cohort)},'
        f'"trace_id":"{what.trace or format(_random.getrandbits(64), "016x")}","cached":'
    )
    return (begin + ("true" if what.cached else "false")).encode("ascii")


def show_moment(at: float) -> str:
    """Unix time *at* in UTC as RFC 3339 has it, to the millisecond."""
    whole = int(at)
    return f"{_second(whole)}.{int((at - whole) * 1000):03}Z"


@lru_cache(4)
def _second(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at))


def _proof(proof: Proof) -> str:
    signer = proof.signer
    if signer is None:
        signed = '"signer_key_id":null,"signer_name":null,"algorithm":null,"rrsig_ttl":null,"rrsig_expiration":null'
    else:
        signed = (
            f'"signer_key_id":{signer.tag},"signer_name":{_name(signer.zone)},"algorithm":{signer.algorithm},'
            f'"rrsig_ttl":{signer.ttl},"rrsig_expiration":"{_expiration(signer.expiration)}"'
        )
    begin = f'"validation_status":"{proof.security.value}",{signed}'
    if proof.security is Security.SECURE:
        return begin
    ede = "null" if proof.ede is None else int(proof.ede)
    return f'{begin},"reason":{_quoted(proof.reason[:_LONGEST])},"ede":{ede}'


@lru_cache(4096)
def _expiration(at: int) -> str:
    return f"{_second(at)}Z"


@lru_cache(4096)
def _name(qname: bytes) -> str:
    labels = tuple(name.labels(qname))[:-1]
    text = b".".join(labels)
    if _PLAIN.fullmatch(text) and text.count(b".") == len(labels) - 1:
        return f'"{text.decode()}"'  # a tenth of what follows
    return _quoted(name.to_text(qname))


@lru_cache(256)
def _type(qtype: int) -> str:
    return _quoted(show_type(qtype))


@lru_cache(64)
def _rcode(rcode: int) -> str:
    return _quoted(show_rcode(rcode))


@lru_cache(1024)
def _cohort(cohort: Cohort | None) -> str:
    """Service, outcome and first endpoint, as far as there are any; the default cohort of a tenant has none."""
    return _quoted("/".join(cohort[1:]).rstrip("/") if cohort is not None else "")


@lru_cache(4096)
def _client(source: bytes, prefix: ClientPrefix) -> str:
    if not source:
        return "null"
    address = ip_address(source)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # not cut as IPv6, however it came here
    bits = prefix.ipv4 if address.version == 4 else prefix.ipv6
    if bits == address.max_prefixlen:
        return _quoted(str(address))
    return _quoted(str(ip_network((address, bits), strict=False)))
