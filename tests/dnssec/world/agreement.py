"""Agreement: how what two resolvers say compares, question by question."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from tests.dnssec.world.asking import Question, Said


@frozen
class Comparison:
    """What both said to one question: *ours* graydns, *theirs* the judge."""

    question: Question
    ours: Said
    theirs: Said

    @property
    def agrees(self) -> bool:
        """Whether rcode and AD are the same."""
        return self.ours == self.theirs


@frozen
class Difference:
    """A disagreement that is meant, and *why*."""

    why: str
    covers: Callable[[Comparison], bool]


def compare(questions: Sequence[Question], ours: Sequence[Said], theirs: Sequence[Said]) -> list[Comparison]:
    """All of it, in order."""
    return [Comparison(*each) for each in zip(questions, ours, theirs, strict=True)]


def unexplained(comparisons: Iterable[Comparison], differences: Sequence[Difference]) -> list[Comparison]:
    """Disagreements that are not meant."""
    wrong = [each for each in comparisons if not each.agrees]
    return [each for each in wrong if not any(difference.covers(each) for difference in differences)]


def table(comparisons: Sequence[Comparison], differences: Sequence[Difference]) -> str:
    """A line for each pair of outcomes, then the disagreements, counted by the reason they have."""
    pairs = Counter((str(_outcome(each.theirs)), str(_outcome(each.ours))) for each in comparisons)
    lines = [f"{'judge':<16} {'graydns':<16} questions"]
    lines += [f"{theirs:<16} {ours:<16} {count:>9}" for (theirs, ours), count in sorted(pairs.items())]
    reasons: dict[str, int] = defaultdict(int)
    for each in comparisons:
        if not each.agrees:
            reasons[next((one.why for one in differences if one.covers(each)), "UNEXPLAINED")] += 1
    lines += [f"{count:>5} disagree: {why}" for why, count in sorted(reasons.items())]
    agreeing = [each for each in comparisons if each.agrees]
    other = sum(each.ours.records != each.theirs.records for each in agreeing)
    lines.append(
        f"{len(comparisons)} questions, {len(agreeing)} agree, of which {other} with other records in the answer"
    )
    return "\n".join(lines)


def listing(comparisons: Iterable[Comparison], whole: bool = False) -> str:
    """A line for each; *whole*: and both answers as they came."""
    lines = []
    for each in comparisons:
        lines.append(f"{each.question}: judge {each.theirs}; graydns {each.ours}")
        if whole:
            lines += ["--- judge", each.theirs.whole, "--- graydns", each.ours.whole, ""]
    return "\n".join(lines)


def _outcome(said: Said) -> str:
    return said.rcode + (" AD" if said.ad else "")
