"""What is asked, and how: name, type and transport. Name and type are found by indexes of their own."""

from __future__ import annotations

import dns.rdatatype
import re2

from graydns.gray.dimensions.dimension import (
    Dimension,
    ExplainedQuery,
    Reads,
    equals,
)
from graydns.gray.name_patterns import NamePattern, PatternForm, parse_pattern, to_presentation
from graydns.gray.policy_records import parse_rdtype
from graydns.model.errors import PolicyIssues
from graydns.model.name import to_text
from graydns.model.transport import TRANSPORTS, Transport

#: The rank of a whole name; that of a pattern has its literal characters above two bits for its form.
_RANK_OF_EXACT_NAMES = 1 << 10
_MAX_RANKED_CHARACTERS = 255


def make_regex_options(*, memory: int = 8 << 20) -> re2.Options:
    """How every expression is read: RE2 without regard to case, silent on errors, within *memory* bytes."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = memory
    return options


def format_rdtype(rdtype: int) -> str:
    """The mnemonic of an RR type."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


def _parse_name(text: str, issues: PolicyIssues) -> NamePattern | None:
    try:
        return parse_pattern(text)
    except ValueError as error:
        issues.add(f"{text!r} ({error})", "a name pattern", "name")
        return None


def _rank_name(pattern: NamePattern) -> int:
    if pattern.form is PatternForm.EXACT:
        return _RANK_OF_EXACT_NAMES
    return min(pattern.literal_length, _MAX_RANKED_CHARACTERS) << 2 | (3 if pattern.form is PatternForm.LABEL else 2)


def _explain_name(pattern: NamePattern, seen: ExplainedQuery) -> str | None:
    return None if pattern.matches(seen.labels) else f"name: {to_text(seen.query.qname)} is not {pattern.text}"


def _names_may_overlap(mine: NamePattern | None, theirs: NamePattern | None) -> bool:
    return mine is None or theirs is None or mine.may_overlap(theirs)


def _parse_regex(text: str, issues: PolicyIssues) -> str | None:
    try:
        re2.compile(text, make_regex_options())
    except re2.error as error:
        issues.add(f"{text!r} ({error})", "an RE2 regular expression", "regex")
        return None
    return text


def _explain_regex(regex: str, seen: ExplainedQuery) -> str | None:
    name = to_presentation(seen.query.qname)
    return None if re2.fullmatch(regex, name, make_regex_options()) else f"regex: {name} is not {regex}"


def _parse_qtype(text: str, issues: PolicyIssues) -> int | None:
    try:
        return parse_rdtype(text)
    except ValueError:
        issues.add(f"{text!r}", "an RR type", "qtype")
        return None


def _explain_qtype(rdtype: int, seen: ExplainedQuery) -> str | None:
    asked = seen.query.qtype
    return None if asked == rdtype else f"qtype: {format_rdtype(asked)} is not {format_rdtype(rdtype)}"


def _parse_transport(text: str, issues: PolicyIssues) -> Transport | None:
    if (transport := TRANSPORTS.get(text.lower())) is None:
        issues.add(f"{text!r}", f"one of {', '.join(TRANSPORTS)}", "transport")
    return transport


#: A pattern of names (``gray.name_patterns``); fewer literal characters are less specific.
NAME = Dimension[NamePattern](
    key="name",
    parse=_parse_name,
    reads=Reads.QUESTION,
    rank=_rank_name,
    mismatch=_explain_name,
    overlap_key=lambda pattern: pattern if pattern.form in (PatternForm.EXACT, PatternForm.LABEL) else None,
    may_overlap=_names_may_overlap,
)

#: An RE2 expression that matches the whole name. Two expressions are not compared with each other.
REGEX = Dimension[str](
    key="regex",
    parse=_parse_regex,
    reads=Reads.QUESTION,
    mismatch=_explain_regex,
    overlap_key=lambda regex: None,
    may_overlap=lambda mine, theirs: mine == theirs,
)

#: An RR type.
QTYPE = Dimension[int](key="qtype", parse=_parse_qtype, reads=Reads.QUESTION, mismatch=_explain_qtype)

#: How the query came.
TRANSPORT = Dimension[Transport](
    key="transport",
    parse=_parse_transport,
    reads=Reads.TRANSPORT,
    tests=equals("transport", lambda client, facts: client.transport),
)
