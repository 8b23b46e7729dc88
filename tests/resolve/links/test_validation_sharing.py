"""What several answers need to know of one zone is found out once, and nobody pays with another's budget."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.work_budget import ValidationLimits
from graydns.model.answer import Answer
from graydns.model.dnssec_values import Security
from graydns.model.errors import ResolveError
from graydns.model.name import from_text
from graydns.model.query import Query
from tests.dnssec.answering import OTHER, SHOP, rrset, sign_keys_wrongly, signed
from tests.resolve.links.test_validation import Below, Linked, asked

KEYS = (from_text("shop.test."), 48)

NAMES = ("www.shop.test", "mail.shop.test", "ftp.shop.test")


@define(eq=False)
class Slow(Below):
    """The keys of shop.test come when the test says so."""

    waiting: list[Deferred[None]] = field(factory=list)

    async def resolve(self, query: Query) -> Answer:
        if (query.qname, query.qtype) == KEYS:
            self.waiting.append(turn := Deferred[None]())
            await turn
        return await Below.resolve(self, query)


def begin(linked: Linked, name: str) -> list[Answer | Failure]:
    """What becomes of a question, once something has."""
    outcome: list[Answer | Failure] = []
    Deferred.fromCoroutine(linked.link.resolve(asked(name))).addBoth(outcome.append)
    return outcome


def test_many_wait_for_one() -> None:
    """Their answers are judged in turns of the reactor that are not too long."""
    below = Slow()
    for name in NAMES:
        below.upstream.says(f"{name}.", "A", signed(SHOP, f"{name}. A 192.0.2.1"))
    linked = Linked(below)
    outcomes = [begin(linked, name) for name in NAMES]
    (turn,) = below.waiting
    turn.callback(None)
    linked.clock.advance(0)
    assert [told.security for (told,) in outcomes if isinstance(told, Answer)] == [Security.SECURE] * 3
    assert len(below.waiting) == 1


def test_a_budget_that_is_used_up_is_nobody_elses() -> None:
    """Whoever waited for one that gave up goes on by himself, with all that he may spend."""
    below = Slow()
    sign_keys_wrongly(below.upstream, 3)
    alias = rrset("www.other.test. CNAME www.shop.test.")
    wrong = [OTHER.signed(rrset(f"www.other.test. CNAME {number}.test.")) for number in range(3)]
    dear = [alias, *wrong, OTHER.signed(alias), *signed(SHOP, "www.shop.test. A 192.0.2.1")]
    below.upstream.says("www.other.test.", "A", dear)
    for name in NAMES:
        below.upstream.says(f"{name}.", "A", signed(SHOP, f"{name}. A 192.0.2.1"))
    linked = Linked(below, settings=ValidatorSettings(limits=ValidationLimits(signatures=5)))
    spent, *fresh = [begin(linked, name) for name in ("www.other.test", *NAMES)]
    below.waiting.pop().callback(None)
    linked.clock.advance(0)
    assert len(below.waiting) == 1, "one of those who waited asks, the others wait for him"
    below.waiting.pop().callback(None)
    linked.clock.advance(0)
    (refused,) = spent
    assert isinstance(refused, Failure)
    assert isinstance(refused.value, ResolveError)
    assert "5 signatures" in refused.value.text
    assert [told.security for (told,) in fresh if isinstance(told, Answer)] == [Security.SECURE] * 3
