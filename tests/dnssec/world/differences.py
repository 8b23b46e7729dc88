"""Where graydns means to differ from Unbound 1.17, and why."""

from __future__ import annotations

from collections.abc import Callable

from dns.name import from_text

from tests.dnssec.world.agreement import Comparison, Difference


def _within(*zones: str) -> Callable[[Comparison], bool]:
    names = [from_text(f"{zone}.test.") for zone in zones]
    return lambda each: any(each.question.name.is_subdomain(name) for name in names)


def _both(*faults: str) -> Callable[[Comparison], bool]:
    return _within(*(f"{fault}-{kind}" for fault in faults for kind in ("nsec", "nsec3", "optout")))


def _checks_itself(each: Comparison) -> bool:
    return "CD" in each.question.flags and each.ours.rcode == each.theirs.rcode and not each.ours.ad


def _alters_aliases(each: Comparison) -> bool:
    return (
        _both("alter-data")(each)
        and {"DNAME", "CNAME"} & {record.split()[1].upper() for record in each.theirs.records} != set()
    )


#: The first that covers a disagreement is its reason.
DIFFERENCES = (
    Difference("with CD graydns does not validate, so that nothing is called secure", _checks_itself),
    Difference("signatures over SHA-1 are not verified (RFC 9905): insecure", _within("rsasha1", "nsec3rsasha1")),
    Difference("a SHA-1 digest does not count beside a SHA-256 one (RFC 4509 section 3)", _within("right-sha1")),
    Difference("a revoked key is no key, even where a DS names it (RFC 5011 section 2.1)", _within("revoked")),
    Difference(
        "Unbound turns NXDOMAIN into NODATA, or back, where the proof is of the other",
        _both("other-rcode", "forge-nxdomain"),
    ),
    Difference(
        "Unbound makes a DNAME's alias itself; graydns takes no answer without the right one",
        _both("alter-synthesis", "strip-synthesis"),
    ),
    Difference("Unbound asks for an altered alias's target itself; graydns takes the answer as one", _alters_aliases),
    Difference("limits on signatures tried differ, and Unbound waits between its tries", _both("much-garbage")),
)
