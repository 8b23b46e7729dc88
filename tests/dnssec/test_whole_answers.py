"""Whole answers against a model of the name space: the truth is worth what its zones are, and no lie is believed."""

from __future__ import annotations

import dns.name
from attrs import frozen
from dns.name import Name
from dns.rdatatype import RdataType
from hypothesis import example, given
from hypothesis import strategies as st

from graydns.dnssec.zone_status import MIN_BOGUS_SECONDS, ZoneStatusCache
from graydns.model.dnssec_values import ValidationStatus
from graydns.model.errors import UpstreamError
from graydns.model.name import from_text
from tests.conftest import examples
from tests.dnssec.answering import judge, rrset
from tests.dnssec.drawing import pick, upto
from tests.dnssec.forging import Forgery, forgeries, questions
from tests.dnssec.honest import Honest, Reply, honest, texts
from tests.dnssec.islands import domain
from tests.dnssec.trust import Trust, trusts, worst

#: Forgeries that are heard before the memory of zones is looked at.
MOST_FORGERIES = 3

#: Seconds from one to the next: even a zone that each of them made bogus is looked at again by then.
PAUSE = MIN_BOGUS_SECONDS * 2 ** (MOST_FORGERIES - 1)


@frozen
class Session:
    """Questions that are answered one after the other, with one memory of zones: the first and the last honestly."""

    trust: Trust
    before: tuple[Name, str]
    forgeries: tuple[Forgery, ...]
    after: tuple[Name, str]


@st.composite
def askings(draw: st.DrawFn) -> tuple[Trust, list[tuple[Name, str]]]:
    """Questions that are answered honestly."""
    trust = draw(trusts(attacked=False))
    return trust, [draw(questions(trust)) for _ in range(1 + draw(upto(3)))]


@st.composite
def attacks(draw: st.DrawFn) -> tuple[Trust, Forgery]:
    """One question that is not."""
    trust = draw(trusts())
    return trust, draw(forgeries(trust))


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """The last question is one that lies were told about, as a rule."""
    trust = draw(trusts())
    forged = [draw(forgeries(trust)) for _ in range(1 + draw(upto(MOST_FORGERIES - 1)))]
    replies = [each for forgery in forged for each in (forgery.reply, *forgery.below)]
    after = pick(draw, (draw(questions(trust)), *((each.name, each.rdtype) for each in replies)))
    return Session(trust, draw(questions(trust)), tuple(forged), after)


def proof_of(
    reply: Reply, trust: Trust, zones: ZoneStatusCache, *, upstream: Honest | None = None, clock: float = 0.0
) -> ValidationStatus:
    """What the validator makes of *reply*."""
    anchors, negatives = trust.given
    return judge(
        upstream or Honest(),
        str(reply.name),
        reply.rdtype,
        reply.answer,
        trust=anchors,
        negatives=negatives,
        zones=zones,
        clock=clock,
    ).proof


def check_truth(question: tuple[Name, str], trust: Trust, zones: ZoneStatusCache, clock: float = 0.0) -> None:
    """The whole of an honest answer is worth as much as the least of its parts."""
    reply = honest(*question)
    proof = proof_of(reply, trust, zones, clock=clock)
    assert proof.security is worst(trust.status(part.name, part.rdtype) for part in reply.parts), proof.reason


def check_forgery(forgery: Forgery, trust: Trust, zones: ZoneStatusCache, clock: float = 0.0) -> None:
    """It is found to be what it may be, or its chain could not be asked for. Nothing else is raised."""
    silent = frozenset((from_text(str(name)), RdataType.from_text(rdtype)) for name, rdtype in forgery.silent)
    upstream = Honest(silent=silent)
    for each in forgery.below:
        upstream.told(each)
    try:
        proof = proof_of(forgery.reply, trust, zones, upstream=upstream, clock=clock)
    except UpstreamError:
        assert forgery.silent
    else:
        assert proof.security in trust.verdicts(forgery.reply.parts), proof.reason


def asked(name: str, rdtype: str) -> list[tuple[Name, str]]:
    """One question."""
    return [(dns.name.from_text(name), rdtype)]


#: The DNAME is really signed, by a zone above that of the alias, which has a trust anchor of its own.
ALIAS_FROM_ABOVE = Forgery(
    Reply(
        dns.name.from_text("www.isle.other.test."),
        "A",
        (
            *texts(domain(dns.name.from_text("other.test.")), "other.test. DNAME plain.test."),
            rrset("www.isle.other.test. CNAME www.isle.plain.test."),
            *honest(dns.name.from_text("www.isle.plain.test."), "A").records,
        ),
    )
)


@examples(3)
@example(asking=(Trust.of("."), asked("x.v.hash.test.", "MX")))
@example(asking=(Trust.of(".", negatives=["www.moved.shop.test."]), asked("www.moved.shop.test.", "CNAME")))
@given(asking=askings())
def test_the_truth_is_worth_what_its_zones_are(asking: tuple[Trust, list[tuple[Name, str]]]) -> None:
    """Whatever was asked for before: it is bogus only in a zone that a trusted one above denies."""
    (trust, questions), zones = asking, ZoneStatusCache()
    for question in questions:
        check_truth(question, trust, zones)


@examples(10)
@example(attack=(Trust.of(".", "isle.other.test.", "isle.plain.test.", owned=["other.test."]), ALIAS_FROM_ABOVE))
@given(attack=attacks())
def test_no_lie_is_believed(attack: tuple[Trust, Forgery]) -> None:
    """It makes nothing secure, nor insecure what is not, nor bogus what nobody validates."""
    trust, forgery = attack
    check_forgery(forgery, trust, ZoneStatusCache())


@examples(3)
@given(session=sessions())
def test_no_lie_is_remembered(session: Session) -> None:
    """But in zones that the attacker may speak for."""
    trust, zones = session.trust, ZoneStatusCache()
    check_truth(session.before, trust, zones)
    clock = 0.0
    for forgery in session.forgeries:
        check_forgery(forgery, trust, zones, clock)
        clock += PAUSE
    if not any(trust.controls(part.name, part.rdtype) for part in honest(*session.after).parts):
        check_truth(session.after, trust, zones, clock)
