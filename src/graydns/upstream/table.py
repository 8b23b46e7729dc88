"""ForwardTable: which group answers for a name that is not ours."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from graydns.model.name import parent, suffixes
from graydns.model.query import Query
from graydns.model.rrtype import DS
from graydns.upstream.group import UpstreamGroup


@frozen(eq=False)
class ForwardTable:
    """Groups by suffix (wire names) and by name."""

    by_suffix: Mapping[bytes, UpstreamGroup]
    by_name: Mapping[str, UpstreamGroup] = field(factory=dict)

    def find(self, qname: bytes) -> UpstreamGroup | None:
        """The group of the longest suffix of *qname* that has one."""
        if len(self.by_suffix) == 1 and (only := self.by_suffix.get(b"\0")) is not None:
            return only
        return next((group for suffix in suffixes(qname) if (group := self.by_suffix.get(suffix)) is not None), None)

    def choose(self, query: Query) -> UpstreamGroup | None:
        """The group that a rule names for *query*, else that of its name."""
        decision = query.decision
        if decision is not None and decision.upstream is not None:
            return self.by_name.get(decision.upstream)
        # What a zone's parent says of it is asked where the parent is known (RFC 4035 section 3.1.4.1).
        return self.find(parent(query.qname) if query.qtype == DS else query.qname)
