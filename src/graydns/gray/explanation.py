"""Explanation: how a decision came about, for people and for programs, and why each rule does or does not match."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice

from attrs import asdict, frozen

from graydns.gray.client_key import KEY_TYPE_ADDRESS, KEY_TYPE_IDENTITY, bucket, hash64
from graydns.gray.compiled_service import CompiledService, WhitelistEntry
from graydns.gray.consul_instances import INSTANCE_CLIENT_KEY
from graydns.gray.dimensions.address import format_network
from graydns.gray.dimensions.dimension import ExplainedQuery, Reads
from graydns.gray.dimensions.question import format_rdtype
from graydns.gray.plan import Plan
from graydns.gray.rules import CompiledRule
from graydns.model.catalog import LeadingInstance
from graydns.model.client import Subnet
from graydns.model.decision import Decision
from graydns.model.name import to_text
from graydns.runtime.steps import run_steps


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


#: Instances that are shown of the thousands that a service may have.
MAX_SHOWN_INSTANCES = 100

#: Plain data: what JSON can say.
PlainData = dict[str, object]


@frozen
class RuleExplanation:
    """What became of one rule. *reason*: why it decided, lost or did not match."""

    rule: str
    zone: str | None
    outcome: str
    matched: bool
    reason: str


@frozen
class Explanation:
    """Everything about one verdict.

    *decided_by*: the step that had the last word. *key*: what tells the client apart (*key_hex*: as bytes), None
    where nothing does. *versions*: what became of those from Consul. *catalog*: what the name stands for in Consul's,
    None outside of its domain; *instances*: those of the answer in its order, or the first of many.
    *ttl*: the cap in seconds, None = none. *scope*: the ECS scope of the answer.
    *rules*: every rule of the tenant, best rank first.
    """

    tenant: str
    name: str
    qtype: str
    zone: str | None
    service: str | None
    key: str | None
    key_hex: str | None
    bucket: int | None
    split: str | None
    versions: tuple[str, ...]
    catalog: str | None
    instances: tuple[str, ...]
    whitelist: str | None
    decided_by: str
    verdict: str
    endpoint: str
    cohort: tuple[str, ...]
    ttl: int | None
    scope: int
    private: bool
    varies: bool
    reach: tuple[int, int]
    rules: tuple[RuleExplanation, ...]
    decision: Decision

    def to_data(self) -> PlainData:
        """All of it but the Decision object, as plain data."""
        return asdict(self, filter=lambda attribute, _: attribute.name != "decision")

    def to_text(self) -> str:
        """All of it as lines."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.name} {self.qtype} in tenant {self.tenant}, zone {self.zone or 'none'}"
        yield f"  verdict    {self.verdict}" + (f", first endpoint {self.endpoint}" if self.endpoint else "")
        yield f"  decided by {self.decided_by}"
        if self.key is not None:
            bucket = "" if self.bucket is None else f", bucket {self.bucket}"
            yield f"  client key {self.key} ({self.key_hex}){bucket}"
        if self.split is not None:
            yield f"  split      {self.split}"
        if self.catalog is not None:
            yield f"  catalog    {self.catalog}"
        for at, instance in enumerate(self.instances, 1):
            yield f"  instance {at}: {instance}"
        for version in self.versions:
            yield f"  version    {version}"
        yield f"  ttl        {'as it is' if self.ttl is None else f'at most {self.ttl} s'}"
        private = ", private" if self.private else ""
        yield f"  scope      {self.scope}{private} (the name reads /{self.reach[0]} of IPv4, /{self.reach[1]} of IPv6)"
        yield f"  cohort     {'/'.join(part or '-' for part in self.cohort)}"
        for at, note in enumerate(self.rules, 1):
            yield f"  rule {at}: {note.rule} -> {note.outcome}: {note.reason}"


def explain(scene: ExplainContext, plan: Plan, rules: Iterable[CompiledRule]) -> Explanation:
    """What :func:`explain_plan` comes to."""
    return run_steps(explain_plan(scene, plan, rules))


def explain_plan(
    scene: ExplainContext, plan: Plan, rules: Iterable[CompiledRule]
) -> Generator[None, None, Explanation]:
    """Take the steps of *plan* one by one, as `Plan.decide` does, and keep what each finds; a rule at a time.

    *rules*: all of the tenant's, best rank first.
    """
    winner, decision = _evaluate(scene, plan)
    service, cohort = scene.service, decision.cohort
    choice = decision.origin if isinstance(decision.origin, LeadingInstance) else None
    key = (
        service.client_key.read(scene.client) if service else INSTANCE_CLIENT_KEY.read(scene.client) if choice else None
    )
    notes = []
    for rule in rules:
        notes.append(_explain_rule(rule, scene, winner))
        yield
    return Explanation(
        tenant=scene.tenant,
        name=to_text(scene.query.qname),
        qtype=format_rdtype(scene.query.qtype),
        zone=None if scene.zone is None else to_text(scene.zone),
        service=None if service is None else service.name,
        key=None if key is None else _format_key(key),
        key_hex=None if key is None else key.hex(),
        bucket=None if service is None or key is None else bucket(hash64(service.cohort_key, key)),
        split=None if service is None else _format_split(service),
        versions=() if service is None else tuple(f"{name}: {one}" for name, one in service.health.items()),
        catalog=scene.catalog,
        instances=() if choice is None else tuple(_format_instances(choice)),
        whitelist=winner.entry if isinstance(winner, WhitelistEntry) else None,
        decided_by=_format_winner(winner, service, scene.catalog),
        verdict=decision.why,
        endpoint=cohort.endpoint,
        cohort=tuple(cohort),
        ttl=decision.ttl_cap,
        scope=decision.ecs_scope(scene.client),
        private=decision.private,
        varies=decision.varies,
        reach=(decision.ecs_scope_v4, decision.ecs_scope_v6),
        rules=tuple(notes),
        decision=decision,
    )


def _evaluate(scene: ExplainContext, plan: Plan) -> tuple[CompiledRule | WhitelistEntry | None, Decision]:
    client = scene.client
    nets, facts = plan.look_up_client(client)
    for step in plan.steps:
        if (found := step.find(client, nets, facts)) is not None:
            return found, step.make_decision(found, client)
    return plan.fallback_rule, plan.fallback(client)


def _explain_rule(
    rule: CompiledRule, scene: ExplainContext, winner: CompiledRule | WhitelistEntry | None
) -> RuleExplanation:
    mismatch = scene.find_mismatch(rule)
    zone = None if rule.zone is None else to_text(rule.zone)
    if mismatch is not None:
        return RuleExplanation(rule.name, zone, rule.outcome_text, False, f"no: {mismatch}")
    return RuleExplanation(
        rule.name, zone, rule.outcome_text, True, "decides" if rule is winner else _format_loss(rule, winner)
    )


def _format_loss(rule: CompiledRule, winner: CompiledRule | WhitelistEntry | None) -> str:
    if isinstance(winner, WhitelistEntry):
        return "matches, but the whitelist comes first"
    if winner is None:
        return "matches"
    if winner.version is None and rule.version is not None:
        return f"matches, but rule {winner.name} names no version and so comes first"
    return f"matches, but rule {winner.name} ranks higher"


def _format_winner(
    winner: CompiledRule | WhitelistEntry | None, service: CompiledService | None, catalog: str | None
) -> str:
    if isinstance(winner, WhitelistEntry):
        return f"whitelist {winner.entry}"
    if winner is not None:
        return f"rule {winner.name}"
    if service is None and catalog is not None:
        return "catalog: no rule matches"
    if service is None:
        return "nothing: no rule matches and the name is no service"
    return "split" if service.split.thresholds else "default"


def _format_instances(choice: LeadingInstance) -> Iterator[str]:
    for number in islice(choice.selection.iterate_indexes(choice.first), MAX_SHOWN_INSTANCES):
        one = choice.selection.instances[number]
        yield f"{one.qualified_id} at {one.host} port {one.port}, weight {one.weight}, {one.status}"


def _format_key(key: bytes) -> str:
    if key[0] == KEY_TYPE_IDENTITY:
        return f"identity {key[1:].decode()}"
    if key[0] == KEY_TYPE_ADDRESS:
        return f"network {format_network(Subnet(key[3:], key[2]))}"
    return "none"


def _format_split(service: CompiledService) -> str:
    return ", ".join(f"{start} to {end - 1}: {version}" for start, end, version in service.split.segments)
