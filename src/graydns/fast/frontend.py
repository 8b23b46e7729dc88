"""From the bytes of a query to the bytes of its reply: what every listener calls.

::

    answer(wire, peer)          synchronous; nearly every query ends here
      TailShape                 what follows the question is looked up, not parsed
      hot.questions             header and question as sent → HotEntry | HotVariants (Plan.decide, once a subnet)
      _may_send                 forwarded answers only to clients that may have them, and with RD
      id, header, body, OPT     one concatenation
      else wire.parse           FORMERR, BADVERS, NOTIMP; hot answers with options; a miss: a Query with its Decision
    resolve(query, peer)        the pipeline, then ReplySettings; reusable answers enter the hot table

Errors become replies; nothing here raises because of what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define, field

from graydns.fast.answer_log import PATH_PARSED, PATH_PIPELINE, AnswerLog
from graydns.fast.client_counter import add_to_sketch, make_counting_key, make_subnet_key
from graydns.fast.hot_admission import make_hot_key, store_hot_answer
from graydns.fast.hot_entry import RD_BIT, HotEntry, HotVariants
from graydns.fast.interfaces import ServingState
from graydns.fast.peer import Peer
from graydns.fast.reply_settings import OVER_QUOTA_ANSWER, ReplySettings
from graydns.fast.tail_shape import (
    MAX_SHAPES,
    SHAPE_KEY_BYTES,
    SUBNET_OFFSET,
    TailShape,
    parse_tagged_tail,
    parse_tail_shape,
)
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.client import Client, Subnet
from graydns.model.decision import Decision
from graydns.model.dns_parameters import IN, NOTAUTH
from graydns.model.errors import UnanswerableError
from graydns.model.query import AnomalyRecorder, Query, QueryTrace, QueryTracer
from graydns.model.transport import Transport
from graydns.wire import render
from graydns.wire.parse import parse_query

_SCOPE_OCTETS = tuple(bytes((scope,)) for scope in range(129))


@define(eq=False)
class Frontend:
    """Implements ``fast.interfaces.QueryHandler``. *clock*: monotonic seconds; *wall*: Unix seconds."""

    serving: ServingState
    settings: ReplySettings
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    anomalies: AnomalyRecorder = field(repr=False)
    answer_log: AnswerLog = field(
        init=False, default=Factory(lambda self: AnswerLog(self.wall), takes_self=True), repr=False
    )
    tracer: QueryTracer | None = field(init=False, default=None, repr=False)
    traced_names: frozenset[bytes] = field(init=False, default=frozenset(), repr=False)
    _shapes: dict[bytes, TailShape | None] = field(init=False, factory=dict, repr=False)
    _tagged_shapes: dict[bytes, TailShape] = field(init=False, factory=dict, repr=False)

    def peer(self, address: str, transport: Transport, identity: str | None = None, tenant: str | None = None) -> Peer:
        """The sender at *address*; for datagrams it is remembered. *tenant*: the listener's, if it has one."""
        if transport.is_datagram:
            return self.serving.peers.datagram_peer(address, tenant)
        return self.serving.peers.make(address, transport, identity, tenant)

    def use_serving(self, serving: ServingState) -> None:
        """Answer with *serving* from now on."""
        self.serving = serving

    def use_settings(self, settings: ReplySettings) -> None:
        """Reply by *settings* from now on."""
        if settings != self.settings:
            self.settings = settings
            self._shapes.clear()  # they contain the payload size
            self._tagged_shapes.clear()

    def trace(self, names: frozenset[bytes], tracer: QueryTracer | None) -> None:
        """Let *tracer* follow the queries for *names* (wire form, lowered) from now on: those are no hot hits."""
        self.traced_names, self.tracer = names, tracer

    def answer(self, wire: bytes, peer: Peer) -> bytes | Query | None:
        """Bytes to send, None for silence, or a Query that :meth:`resolve` must answer."""
        # A NUL inside a label ends this name too early; such a question equals none that a whole name made.
        end = wire.find(b"\0", 12) + 5
        head = wire[end : end + SHAPE_KEY_BYTES]
        try:
            shape = self._shapes[head]
        except KeyError:
            shape = self._parse_shape(head)
        if shape is None:
            shape = self._find_tagged_shape(wire[end:], peer)
        if shape is None or shape.length != len(wire) - end or wire[-1] & shape.host_bits_mask:
            return self._answer_parsed(wire, peer)
        hot, recursion = peer.hot, peer.ra_bit
        asked = hot.questions[shape.question_table | recursion].get(wire[2:end]) or hot.match_question(
            wire, end, shape, recursion
        )
        if asked is None or (self.traced_names and wire[12 : end - 4].lower() in self.traced_names):
            return self._answer_parsed(wire, peer)
        entry, fork = asked.entry, asked.variants
        if fork is not None:
            alone = shape.prefix and peer.subnet_identifies and fork.by_subnet and shape.tagged is None
            subnet = wire[end + SUBNET_OFFSET :] if alone else b""
            entry = fork.entry_by_subnet.get(subnet) or self._select_variant(fork, subnet, shape, wire, peer)
        if entry is None:
            return self._answer_parsed(wire, peer)
        opt = shape.reply_opt
        if shape.family:
            reach = (entry.ecs_scope_v4 if shape.family == 4 else entry.ecs_scope_v6) if peer.trusts_ecs else 0
            address = wire[end + SHAPE_KEY_BYTES :] if shape.tagged is None else shape.address
            opt += _SCOPE_OCTETS[shape.prefix if shape.prefix < reach else reach] + address
        if entry.size + len(opt) > (peer.max_reply_bytes or shape.limit):
            return self._answer_parsed(wire, peer)
        if entry.needs_check and not (
            self._may_send(entry, peer, asked.header_index)
            and (entry.quota is None or entry.quota.try_consume(self.clock()))
        ):
            return self._answer_parsed(wire, peer)
        entry.counter.hot += 1
        peer.last_query = wire
        return wire[:2] + (asked.reply_prefix or entry.headers[asked.header_index] + wire[12:end] + entry.body) + opt

    async def resolve(self, query: Query, peer: Peer) -> bytes:
        """Answer a miss through the pipeline; always a whole reply within the client's limits."""
        if query.tsig:
            self.answer_log.record(query, None, NOTAUTH, PATH_PIPELINE, "no TSIG key is known").piped += 1
            return render.make_badkey_reply(query, self.settings.payload)
        serving, trace = self.serving, query.trace
        quota = None if query.decision is None else serving.quotas.get(query.decision.cohort.tenant)
        if quota is not None and not quota.try_acquire():
            quota.refused += 1
            answer = OVER_QUOTA_ANSWER
        else:
            try:
                answer = await serving.pipeline.resolve(query)
            finally:
                if quota is not None:
                    quota.release()
        if serving is self.serving and trace is None:
            store_hot_answer(query, peer, answer, serving, self.answer_log.tallies, self.clock())
        began = self.clock()
        reply = self._render(query, peer, answer, query.decision)
        self.answer_log.record(query, query.decision, answer.rcode, PATH_PIPELINE, answer.why).piped += 1
        if trace is not None:
            trace.passed("Render", began, self.clock())
            trace.end(query, answer)
        return reply

    def _select_variant(
        self, fork: HotVariants, subnet: bytes, shape: TailShape, wire: bytes, peer: Peer
    ) -> HotEntry | None:
        """The HotEntry of *fork* for this client; stored under the data of its option *subnet* if the answer depends on
        nothing else of the client."""
        if shape.tagged is not None:
            client = peer.client(shape.tagged)
        elif shape.family and peer.trusts_ecs:
            sent = Subnet(wire[len(wire) - shape.length + SHAPE_KEY_BYTES :] + shape.address_padding, shape.prefix)
            client = Client(peer.source, peer.transport, sent, peer.identity, (), peer.tenant, peer.may_forward)
        else:
            client = peer.default_client
        entry = fork.entries.get(fork.plan.decide(client))
        if entry is not None:
            clients = entry.counter.clients
            if subnet:
                add_to_sketch(
                    clients.registers, subnet if shape.is_counting_key else make_subnet_key(subnet, shape.prefix)
                )
                peer.hot.store_subnet(fork, subnet, entry)
            else:
                clients.record(peer.counting_key if client is peer.default_client else make_counting_key(client), wire)
        return entry

    def _parse_shape(self, head: bytes) -> TailShape | None:
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[head] = parse_tail_shape(head, self.settings.payload)
        return shape

    def _find_tagged_shape(self, tail: bytes, peer: Peer) -> TailShape | None:
        """The TailShape of a tail with tags, which is remembered whole; None if the sender's tags are not trusted, as
        that is an anomaly to note."""
        if not peer.trusts_tags:
            return None
        shape = self._tagged_shapes.get(tail)
        if shape is None and (shape := parse_tagged_tail(tail, self.settings.payload)) is not None:
            if len(self._tagged_shapes) >= MAX_SHAPES:
                self._tagged_shapes.clear()
            self._tagged_shapes[tail] = shape
        return shape

    def _may_send(self, entry: HotEntry, peer: Peer, bits: int) -> bool:
        """Whether *entry* may go to this client now; brings its TTLs up to date."""
        if entry.forwarded and not (peer.may_forward and bits & RD_BIT):
            return False
        now = self.clock()
        if now >= entry.expires:
            return False
        entry.age_ttls(now)
        return True

    def _answer_parsed(self, wire: bytes, peer: Peer) -> bytes | Query | None:
        """The same after a full parse: any options, any form, every error reply."""
        try:
            query = parse_query(wire, peer.client, self.settings.payload)
        except UnanswerableError as error:
            self.anomalies.note(peer.source, "unanswerable", str(error))
            self.answer_log.record_unanswerable(error.reply, peer.tenant)
            return error.reply
        if query.edns is not None and query.edns.tags is not None and not query.client.tags:
            self.anomalies.note(peer.source, "tags ignored")
        if query.tsig or query.qclass != IN:
            return query
        if query.qname in self.traced_names and self.tracer and (trace := self.tracer.begin(query)):
            return self._begin_traced(query, peer, trace)
        slot = peer.hot.get(*make_hot_key(query))
        entry: HotEntry | None
        plan: Plan | None = None
        if isinstance(slot, HotEntry):
            entry, decision = slot, slot.decision
        else:
            plan = slot.plan if slot else self.serving.plan(query.qname, query.qtype, peer.tenant)
            decision = plan.decide(query.client)
            entry = slot.entries.get(decision) if slot else None
        if (refusal := self._refuse_over_quota(query, peer, decision)) is not None:
            return refusal
        bits = RD_BIT if query.recursion_desired else 0
        if entry is not None and (not entry.needs_check or self._may_send(entry, peer, bits)):
            self.answer_log.record(query, decision, entry.answer.rcode, PATH_PARSED, entry.answer.why).parsed += 1
            return self._render(query, peer, entry.answer, decision)
        plan = plan or self.serving.plan(query.qname, query.qtype, peer.tenant)
        return query.with_decision(decision, plan)

    def _refuse_over_quota(self, query: Query, peer: Peer, decision: Decision) -> bytes | None:
        """The reply if the tenant that owns the name is over its quota; else None, and the query counts."""
        quota = self.serving.quotas.get(decision.cohort.tenant)
        if quota is None or quota.try_consume(self.clock()):
            return None
        quota.refused += 1
        self.answer_log.record(query, decision, OVER_QUOTA_ANSWER.rcode, PATH_PARSED, OVER_QUOTA_ANSWER.why).parsed += 1
        return self._render(query, peer, OVER_QUOTA_ANSWER, decision)

    def _begin_traced(self, query: Query, peer: Peer, trace: QueryTrace) -> bytes | Query:
        """A miss that is traced; over the quota it is refused and not traced."""
        began = self.clock()
        plan = self.serving.plan(query.qname, query.qtype, peer.tenant)
        decision = plan.decide(query.client)
        trace.passed("Decide", began, self.clock())
        if (refusal := self._refuse_over_quota(query, peer, decision)) is not None:
            return refusal
        return query.with_decision(decision, plan, trace)

    def _render(self, query: Query, peer: Peer, answer: Answer, decision: Decision | None) -> bytes:
        return self.settings.make_reply(query, peer, answer, decision, self.clock(), self.wall())
