"""What is measured, and what graydns has to reach."""

from __future__ import annotations

from attrs import frozen

from benchmarks.load import Drive
from benchmarks.questions import Source, gray, misses, plain, ruled, signed, signed_hot
from benchmarks.servers.bind import Bind
from benchmarks.servers.dnsdist import Dnsdist
from benchmarks.servers.graydns import Graydns
from benchmarks.servers.knot import Knot
from benchmarks.servers.server import Server
from benchmarks.servers.unbound import Unbound

FEW_RULES, MANY_RULES = 10, 100_000


@frozen
class Subject:
    """A server and what it is asked. *label*: a row of the table."""

    label: str
    server: Server
    source: Source


@frozen
class Comparison:
    """The figure of the row *subject* over that of *other*; *at_most* is the target, None = only shown."""

    subject: str
    other: str
    at_most: float | None = None


@frozen
class Group:
    """Subjects driven alike, in turns, so that they can be compared.

    *warm*: go through the questions once before measuring. *once*: ask each question once only.
    """

    title: str
    drive: Drive
    subjects: tuple[Subject, ...]
    comparisons: tuple[Comparison, ...]
    warm: bool = True
    once: bool = False


GRAYDNS = Subject("graydns", Graydns(), plain)
GRAY = Subject("graydns, gray", Graydns(), gray)
KNOT = Subject("knot", Knot(), plain)
UNBOUND = Subject("unbound", Unbound(), plain)
DNSDIST = Subject("dnsdist", Dnsdist(), plain)
BIND = Subject("bind9", Bind(), plain)

#: Every peer, and those that speak TLS.
PEERS = (KNOT, UNBOUND, DNSDIST, BIND)
TLS_PEERS = tuple(peer for peer in PEERS if peer.server.speaks_tls)


def _hot(title: str, drive: Drive, gray_at_most: float | None = None, **targets: float) -> Group:
    """Hot answers; *targets*: peer -> the most that graydns may take of its figure."""
    peers = TLS_PEERS if drive.transport == "tls" else PEERS
    comparisons = [Comparison(GRAYDNS.label, peer.label, targets.get(peer.label)) for peer in peers]
    comparisons.append(Comparison(GRAY.label, GRAYDNS.label, gray_at_most))
    return Group(title, drive, (GRAYDNS, GRAY, *peers), tuple(comparisons), warm=not drive.reconnect)


def _missed() -> Group:
    """Names that no cache has, forwarded over UDP."""
    subjects = tuple(Subject(it.label, it.server, misses) for it in (GRAYDNS, UNBOUND, DNSDIST, BIND))
    comparisons = tuple(
        Comparison(GRAYDNS.label, subject.label, 4.0 if subject.label == UNBOUND.label else None)
        for subject in subjects[1:]
    )
    return Group("Forwarded misses, UDP", Drive("udp"), subjects, comparisons, warm=False, once=True)


def _ruled() -> Group:
    few, many = (
        Subject(f"graydns, {rules:,} rules", Graydns(rules), ruled(rules)) for rules in (FEW_RULES, MANY_RULES)
    )
    return Group("Address rules, UDP", Drive("udp"), (few, many), (Comparison(many.label, few.label, 1.2),))


def _validated() -> Group:
    """Names that no cache has, of a zone whose keys are known: one ECDSA P-256 signature each."""
    ours, theirs = (Subject(it.label, it, signed) for it in (Graydns(validates=True), Unbound(validates=True)))
    others = tuple(Subject(f"{it.label}, not validating", it, signed) for it in (Graydns(), Unbound()))
    comparisons = (
        Comparison(ours.label, theirs.label, 4.0),
        Comparison(ours.label, others[0].label),
        Comparison(theirs.label, others[1].label),
    )
    return Group("Validated misses, UDP", Drive("udp"), (ours, theirs, *others), comparisons, warm=False, once=True)


def _secure() -> Group:
    """Hot answers that have been validated, beside those that have not."""
    ours, other = Graydns(validates=True), Graydns()
    subjects = (Subject(ours.label, ours, signed_hot), Subject(other.label, other, signed_hot))
    comparisons = (Comparison(ours.label, other.label, 1.05),)
    return Group("Hot secure answers, UDP", Drive("udp"), subjects, comparisons)


GROUPS = {
    "udp": _hot("Hot answers, UDP", Drive("udp"), gray_at_most=1.2, knot=2.0),
    "tcp": _hot("Hot answers, TCP, many queries a connection", Drive("tcp"), gray_at_most=1.3, knot=0.7),
    "tcp-each": _hot("Hot answers, TCP, one query a connection", Drive("tcp", clients=20, reconnect=True)),
    "dot": _hot("Hot answers, DoT, many queries a connection", Drive("tls"), dnsdist=1.0),
    "dot-each": _hot("Hot answers, DoT, one query a connection", Drive("tls", clients=10, reconnect=True)),
    "miss": _missed(),
    "rules": _ruled(),
    "validated": _validated(),
    "secure": _secure(),
}
