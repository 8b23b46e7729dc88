"""What an attacker on the way can say about the islands: he has every true record, keys of his own, and some zones'."""

from __future__ import annotations

from functools import cache

from attrs import evolve, field, frozen
from dns.name import Name
from hypothesis import strategies as st

from tests.dnssec import islands
from tests.dnssec.answering import rrset
from tests.dnssec.drawing import pick, some, upto
from tests.dnssec.honest import Reply, RRsets, denial, expanded, honest, texts
from tests.dnssec.islands import APEXES, NAMES, NOERROR, NXDOMAIN, TYPES, domain
from tests.dnssec.signing import NOW, Zone
from tests.dnssec.strangers import Signer, falsehood, signature, stranger
from tests.dnssec.trust import SIGNED, Trust

_WILDCARDS = tuple(name for name in NAMES if name.is_wild())


@frozen(eq=False)
class Forgery:
    """*reply*: to a question. *below*: to those for DS and DNSKEY above it. *silent*: what is not answered then."""

    reply: Reply
    below: tuple[Reply, ...] = ()
    silent: frozenset[tuple[Name, str]] = field(factory=frozenset)


@st.composite
def questions(draw: st.DrawFn, trust: Trust) -> tuple[Name, str]:
    """Any that can be asked; most where zones meet, or where it is not plain who has a say."""
    return pick(draw, pick(draw, (NAMES, APEXES, _disputed(trust)))), pick(draw, TYPES)


@st.composite
def forgeries(draw: st.DrawFn, trust: Trust) -> Forgery:
    """An answer that has something false about it, mostly, and what is said of a zone above."""
    attacker = _Attacker(draw, trust)
    name, rdtype = draw(questions(trust))
    if draw(upto(4)) == 4:
        return attacker.takeover(name, rdtype)
    reply = attacker.reply(name, rdtype)
    zone, about = pick(draw, _ancestors(name)), pick(draw, ((), ("DS",), ("DS", "DNSKEY"), ("DNSKEY",)))
    silent = frozenset((zone, each) for each in about if draw(upto(9)) == 9)
    below = tuple(attacker.reply(zone, each) for each in about if (zone, each) not in silent)
    return Forgery(reply, below, silent)


@frozen
class _Attacker:
    """Makes replies as Hypothesis *draws* them."""

    draw: st.DrawFn
    trust: Trust

    def takeover(self, name: Name, rdtype: str) -> Forgery:
        """Keys of his own as those of a zone, which sign what he likes; the DS is what he can make of it."""
        zone = pick(self.draw, _apexes_above(name))
        reply, keys = (self.by_stranger(zone, *each) for each in ((name, rdtype), (zone, "DNSKEY")))
        return Forgery(reply, (keys, *([self.reply(zone, "DS")] if self.draw(upto(2)) else [])))

    def by_stranger(self, zone: Name, name: Name, rdtype: str) -> Reply:
        """False records, signed as if by *zone*."""
        text = falsehood(name, "A" if rdtype == "ANY" else rdtype)
        return Reply(name, rdtype, (rrset(text), signature(Signer(stranger(zone)), text)))

    def reply(self, name: Name, rdtype: str) -> Reply:
        """Of one kind or another."""
        kinds = (self.replacement, self.alias, self.absence, self.expansion, self.alteration)
        return pick(self.draw, kinds)(name, rdtype)

    def replacement(self, name: Name, rdtype: str) -> Reply:
        """Other records than there are."""
        records = self.signed(falsehood(name, "A" if rdtype == "ANY" else rdtype))
        return Reply(name, rdtype, records, self.proofs(name))

    def alias(self, name: Name, rdtype: str) -> Reply:
        """An alias, of the name or of all below one above it, to a name of which the truth is told, or a lie."""
        owner = pick(self.draw, _ancestors(name))
        if owner == name:
            target = pick(self.draw, NAMES)
            records: RRsets = ()
        else:
            apex = pick(self.draw, APEXES)
            target = name.relativize(owner).concatenate(apex)
            records = self.signed(f"{owner} DNAME {apex}")
        records += self.signed(f"{name} CNAME {target}")
        further = honest(target, rdtype) if self.draw(upto(1)) else self.replacement(target, rdtype)
        reply = Reply(name, rdtype, records, self.proofs(name)).followed_by(further)
        return evolve(reply, records=self.turned(reply.records))

    def absence(self, name: Name, rdtype: str) -> Reply:
        """Nothing, with whatever proofs there are elsewhere."""
        proofs = self.denied(name) if self.draw(upto(1)) else self.proofs(name)
        return Reply(name, rdtype, (), proofs, pick(self.draw, (NOERROR, NXDOMAIN)))

    def expansion(self, name: Name, rdtype: str) -> Reply:
        """A wildcard's records, with their true signature, where a closer name is, or the zone is another one."""
        wildcard = pick(self.draw, _wildcards(name))
        found = domain(wildcard)
        lines = [found.records(wildcard, each) for each in sorted(found.types(wildcard))]
        return Reply(name, rdtype, expanded(texts(found, *lines), name), self.proofs(name))

    def alteration(self, name: Name, rdtype: str) -> Reply:
        """The truth, without some of it."""
        reply = honest(name, rdtype)
        records, authority = (
            tuple(each for each in section if self.draw(upto(3))) for section in (reply.records, reply.authority)
        )
        rcode = pick(self.draw, (reply.rcode, NOERROR, NXDOMAIN))
        return Reply(name, rdtype, self.turned(records), authority, rcode)

    def turned(self, records: RRsets) -> RRsets:
        """*records* in one order or the other."""
        return records[::-1] if self.draw(upto(1)) else records

    def proofs(self, name: Name) -> RRsets:
        """Parts of true answers to other questions, and denials that were made up."""
        kinds = some(self.draw, (self.true_proofs, self.upper_proofs, self.made_proofs, self.wild_proofs), 3)
        return tuple(each for kind in kinds for each in kind(name))

    def true_proofs(self, name: Name) -> RRsets:
        """What comes with the answer to another question, of the neighbourhood as a rule."""
        other = pick(self.draw, pick(self.draw, (_ancestors(name), _neighbours(name), NAMES)))
        return honest(other, pick(self.draw, ("DS", "MX", "A"))).authority

    def upper_proofs(self, name: Name) -> RRsets:
        """What a zone has to say of a name above, or of this one."""
        return self.denied(pick(self.draw, _ancestors(name)))

    def denied(self, name: Name) -> RRsets:
        """What a zone would say of *name* if there were nothing there, and no zone below it."""
        found = domain(pick(self.draw, _signed_above(name)))
        return texts(found, found.soa, *denial(found, name))

    def made_proofs(self, name: Name) -> RRsets:
        """An NSEC that says of a name what the attacker likes."""
        owner = pick(self.draw, _ancestors(name))
        following = pick(self.draw, (islands.under("zzz", owner), owner))
        types = pick(self.draw, ("", "NS", "NS SOA", "A"))
        return self.signed(f"{owner} NSEC {following} {types} RRSIG NSEC")

    def wild_proofs(self, name: Name) -> RRsets:
        """The NSEC of a wildcard, as if it were another name's."""
        owner = pick(self.draw, _ancestors(name))
        wildcard = pick(self.draw, _wildcards(owner))
        found = domain(wildcard)
        return expanded(texts(found, found.model.nsec_at(wildcard)), owner)

    def signed(self, text: str) -> RRsets:
        """The RRset *text*, with such signatures as the attacker can make or has kept."""
        made = rrset(text)
        kinds = (self.stranger, self.misplaced, self.outdated, *([self.own] if self.trust.owned else []))
        signers = dict.fromkeys(kind(made.name) for kind in some(self.draw, kinds, 3))
        return (made, *(signature(signer, text) for signer in signers))

    def stranger(self, name: Name) -> Signer:
        """By nobody that is known, who claims to be a zone."""
        return Signer(stranger(pick(self.draw, pick(self.draw, (_ancestors(name), _apexes_above(name))))))

    def misplaced(self, name: Name) -> Signer:
        """By a zone of *name*, which has signed something else."""
        return Signer(self.zone(name), fits=False)

    def outdated(self, name: Name) -> Signer:
        """By a zone of *name*, which once had such records."""
        return Signer(self.zone(name), NOW - 7200, NOW - 3600)

    def zone(self, name: Name) -> Zone:
        """A signed one at or above *name*."""
        return domain(pick(self.draw, _signed_above(name))).zone

    def own(self, name: Name) -> Signer:
        """By the key of a zone of his, which may claim to be another one's."""
        owned = pick(self.draw, sorted(self.trust.owned))
        claimed = pick(self.draw, (owned, *_ancestors(name)))
        return Signer(Zone(str(claimed), number=domain(owned).zone.number))


@cache
def _ancestors(name: Name) -> tuple[Name, ...]:
    """*name* and all above it."""
    return tuple(name.split(count)[1] for count in range(len(name), 0, -1))


@cache
def _apexes_above(name: Name) -> tuple[Name, ...]:
    """The zones at and above *name*."""
    return tuple(apex for apex in APEXES if name.is_subdomain(apex))


@cache
def _wildcards(name: Name) -> tuple[Name, ...]:
    """Those that could stand for *name*, if there were nothing between; others if there are none."""
    near = tuple(each for each in _WILDCARDS if name.is_subdomain(each.parent()))
    return near or _WILDCARDS


@cache
def _signed_above(name: Name) -> tuple[Name, ...]:
    """The signed zones at and above *name*."""
    return tuple(apex for apex in SIGNED if name.is_subdomain(apex))


@cache
def _neighbours(name: Name) -> tuple[Name, ...]:
    """What is asked for in the zones at and above that of *name*."""
    return tuple(each for each in NAMES if domain(each).apex in _apexes_above(name))


@cache
def _disputed(trust: Trust) -> tuple[Name, ...]:
    """Names below negative trust anchors, and below zones of the attacker where he has no say; without any, all."""
    found = [
        name
        for name in NAMES
        if any(map(name.is_subdomain, trust.negatives))
        or (any(map(name.is_subdomain, trust.owned)) and not trust.controls(name, "A"))
    ]
    return tuple(found) or NAMES
