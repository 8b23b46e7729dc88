"""A query as ``explain`` sees it, and why a rule does not match it."""

from __future__ import annotations

from attrs import frozen

from graydns.gray.compiled_service import CompiledService
from graydns.gray.dimensions.dimension import ExplainedQuery, Reads
from graydns.gray.rules import CompiledRule
from graydns.model.name import to_text


@frozen
class ExplainContext(ExplainedQuery):
    """One query, and what is known of its name.

    *zone*: the tenant's zone it is in. *catalog*: what it stands for in Consul's catalog, None = it is not of that.
    """

    tenant: str
    zone: bytes | None
    service: CompiledService | None
    catalog: str | None = None

    def find_mismatch(self, rule: CompiledRule) -> str | None:
        """The first thing that keeps *rule* from matching, None if it matches: what is asked before who asks."""
        if rule.zone not in (None, self.zone):
            return f"sees only names in {to_text(rule.zone or b'')}"
        pairs = zip(rule.conditions.layout.dimensions, rule.conditions.values, strict=True)
        by_question = sorted(pairs, key=lambda pair: pair[0].reads is not Reads.QUESTION)
        mismatches = (dimension.find_mismatch(value, self) for dimension, value in by_question)
        if (mismatch := next((text for text in mismatches if text is not None), None)) is not None:
            return mismatch
        if rule.version is None or (self.service is not None and rule.version in self.service.pools):
            return None
        return f"then: {to_text(self.query.qname)} is no service with a version {rule.version}"
