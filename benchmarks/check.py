"""Whether a server gives the right answers: asked with dnspython, with the very bytes that are driven."""

from __future__ import annotations

import random

import dns.edns
import dns.exception
import dns.message
import dns.query
import dns.rcode

from benchmarks.oneshot import anonymous_context
from benchmarks.questions import Sample
from benchmarks.servers.server import HOST, Running

_TIMEOUT = 3.0


class WrongAnswer(Exception):
    """An answer is not what it must be; the text has question, found and expected."""


def check(server: Running, transport: str, samples: tuple[Sample, ...]) -> list[frozenset[str]]:
    """The addresses answered to each sample. Raises WrongAnswer on the first that is wrong."""
    return [_checked(sample, _ask(sample, server, transport)) for sample in samples]


def check_again(server: Running, transport: str, samples: tuple[Sample, ...], before: list[frozenset[str]]) -> None:
    """Check once more, and that every client still gets what it got *before*. Raises WrongAnswer."""
    for sample, then, now in zip(samples, before, check(server, transport, samples), strict=True):
        if then != now:
            raise WrongAnswer(f"{_describe(sample)}: found {sorted(now)}, before the run {sorted(then)}")


def _ask(sample: Sample, server: Running, transport: str) -> dns.message.Message:
    query = dns.message.from_wire(sample.question.wire())
    query.id = random.randrange(1 << 16)
    try:
        match transport:
            case "udp":
                return dns.query.udp(query, HOST, _TIMEOUT, server.port)
            case "tcp":
                return dns.query.tcp(query, HOST, _TIMEOUT, server.port)
            case _:
                return dns.query.tls(query, HOST, _TIMEOUT, server.tls_port, ssl_context=anonymous_context())
    except (dns.exception.DNSException, OSError) as error:
        raise WrongAnswer(f"{_describe(sample)}: {type(error).__name__}: {error}") from error


def _checked(sample: Sample, answer: dns.message.Message) -> frozenset[str]:
    found = frozenset(rdata.to_text() for rrset in answer.answer for rdata in rrset)
    if answer.rcode() != dns.rcode.NOERROR or found not in sample.allowed:
        rcode = dns.rcode.to_text(answer.rcode())
        expected = " or ".join(str(sorted(addresses)) for addresses in sample.allowed)
        raise WrongAnswer(f"{_describe(sample)}: found {rcode} {sorted(found)}, expected {expected}")
    scopes = [option.scopelen for option in answer.options if isinstance(option, dns.edns.ECSOption)]
    if sample.scope is not None and scopes != [sample.scope]:
        raise WrongAnswer(f"{_describe(sample)}: found ECS scopes {scopes}, expected [{sample.scope}]")
    return found


def _describe(sample: Sample) -> str:
    question = sample.question
    return f"{question.name} type {question.rdtype} for {question.subnet} {question.tags}".rstrip()
