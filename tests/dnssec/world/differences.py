"""Where graydns means to differ from Unbound 1.17, and why."""

from __future__ import annotations

from collections.abc import Callable

from dns.name import from_text
from dns.rdatatype import CNAME, NSEC

from tests.dnssec.world.agreement import Comparison, Difference


def _within(*zones: str) -> Callable[[Comparison], bool]:
    names = [from_text(f"{zone}.test.") for zone in zones]
    return lambda each: any(each.question.name.is_subdomain(name) for name in names)


def _both(*faults: str) -> Callable[[Comparison], bool]:
    return _within(*(f"{fault}-{kind}" for fault in faults for kind in ("nsec", "nsec3", "optout")))


def _checks_itself(each: Comparison) -> bool:
    return "CD" in each.question.flags and each.ours.rcode == each.theirs.rcode and not each.ours.ad


def _refused(covers: Callable[[Comparison], bool]) -> Callable[[Comparison], bool]:
    """Where graydns gives nothing."""
    return lambda each: each.ours.rcode == "SERVFAIL" and covers(each)


def _not_secure(covers: Callable[[Comparison], bool]) -> Callable[[Comparison], bool]:
    """Where graydns does not vouch for what it gives."""
    return lambda each: each.ours.rcode == each.theirs.rcode and not each.ours.ad and covers(each)


def _repaired(each: Comparison) -> bool:
    return each.theirs.rcode != "SERVFAIL" and _both("other-rcode", "forge-nxdomain")(each)


def _asked_itself(each: Comparison) -> bool:
    aliases = any(" cname " in record or " dname " in record for record in each.theirs.records)
    return aliases and not each.ours.ad and _both("alter-data")(each)


def _alias_of_dname(each: Comparison) -> bool:
    return each.question.rdtype == CNAME and any(" dname " in record for record in each.ours.records)


def _nsec_at_alias(each: Comparison) -> bool:
    return each.question.rdtype == NSEC and "nodata proof failed" in str(each.theirs)


#: The first that covers a disagreement is its reason.
DIFFERENCES = (
    Difference("with CD graydns does not validate, so that nothing is called secure", _checks_itself),
    Difference(
        "signatures over SHA-1 are not verified (RFC 9905): insecure",
        _not_secure(_within("rsasha1", "nsec3rsasha1")),
    ),
    Difference(
        "a SHA-1 digest does not count beside a SHA-256 one (RFC 4509 section 3)", _refused(_within("right-sha1"))
    ),
    Difference(
        "a revoked key is no key, even where a DS names it (RFC 5011 section 2.1)", _refused(_within("revoked"))
    ),
    Difference("Unbound turns NXDOMAIN into NODATA, or back, where the proof is of the other", _repaired),
    Difference(
        "Unbound makes a DNAME's alias itself; graydns takes no answer without the right one",
        _refused(_both("alter-synthesis", "strip-synthesis")),
    ),
    Difference(
        "Unbound looks for zone cuts below a DNAME when the alias that it made is asked for; the DNAME proves it",
        _alias_of_dname,
    ),
    Difference(
        "NSEC and aliases go together, so that NSEC asked at an alias is not followed (RFC 4035 section 2.5)",
        _nsec_at_alias,
    ),
    Difference("Unbound asks for an altered alias's target itself; graydns takes the answer as one", _asked_itself),
    Difference("limits on signatures tried differ, and Unbound waits between its tries", _both("much-garbage")),
)
