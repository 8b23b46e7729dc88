"""From the bytes of a query to the bytes of its answer: what every door calls.

::

    answer(wire, peer)          synchronous; nearly every query ends here
      Shape                     what follows the question looked up, not parsed
      hot.asked                 header and question as asked → Entry | Fork (Plan.decide, once a subnet)
      guard                     forwarded answers only to those allowed, and with RD
      id, start, OPT            one concatenation
      else wire.parse           FORMERR, BADVERS, NOTIMP; hot answers with options; a miss: a Query with its Decision
    resolve(query, peer)        the pipeline, then fast.reply; reusable answers go to the hot table

Errors end as answers; nothing here raises because of what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define, field

from graydns.fast.entry import RD, Entry, Fork
from graydns.fast.ledger import PARSED, PIPELINE, Ledger
from graydns.fast.peer import Peer
from graydns.fast.reply import TOO_MUCH, ReplySettings
from graydns.fast.serving import Serving
from graydns.fast.shape import HEAD, REMEMBERED, SUBNET, Shape, read_shape, read_tagged
from graydns.fast.sketch import key_of, see, subnet_key
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.catalog import View
from graydns.model.decision import Decision
from graydns.model.errors import Unanswerable
from graydns.model.observe import Anomalies, Trace, Tracer
from graydns.model.query import UDP, Client, Query, Subnet
from graydns.model.rrtype import IN
from graydns.wire import tsig
from graydns.wire.parse import parse

#: Octets of body past which an answer stays out of the hot table.
LARGEST = 4096

_NOTAUTH = 9

_SCOPES = tuple(bytes((scope,)) for scope in range(129))


@define(eq=False)
class Front:
    """Implements ``fast.protocol.Front``. *clock*: monotonic seconds; *wall*: Unix seconds.

    What observes it reads the *ledger*, and puts into *watched* the names (wire form, lowered) whose queries
    its *tracer* wants to follow: those are no hot hits.
    """

    serving: Serving
    settings: ReplySettings
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    anomalies: Anomalies = field(repr=False)
    ledger: Ledger = field(init=False, default=Factory(lambda self: Ledger(self.wall), takes_self=True), repr=False)
    tracer: Tracer | None = field(init=False, default=None, repr=False)
    watched: frozenset[bytes] = field(init=False, default=frozenset(), repr=False)
    _shapes: dict[bytes, Shape | None] = field(init=False, factory=dict, repr=False)
    _tagged_shapes: dict[bytes, Shape] = field(init=False, factory=dict, repr=False)

    def peer(self, address: str, transport: str, identity: str | None = None, tenant: str | None = None) -> Peer:
        """Who sends from *address*; for datagrams it is remembered. *tenant*: the listener's, if it has one."""
        if transport == UDP:
            return self.serving.peers.of_datagram(address, tenant)
        return self.serving.peers.make(address, transport, identity, tenant)

    def use(self, settings: ReplySettings) -> None:
        """Reply after *settings* from now on."""
        if settings != self.settings:
            self.settings = settings
            self._shapes.clear()  # they hold the payload
            self._tagged_shapes.clear()

    def answer(self, wire: bytes, peer: Peer) -> bytes | Query | None:
        """Bytes to send, None for silence, or a Query that :meth:`resolve` must answer."""
        # A NUL inside a label ends this name too early; such a question equals none that a whole name made.
        end = wire.find(b"\0", 12) + 5
        head = wire[end : end + HEAD]
        try:
            shape = self._shapes[head]
        except KeyError:
            shape = self._learn(head)
        if shape is None:
            shape = self._tagged(wire[end:], peer)
        if shape is None or shape.length != len(wire) - end or wire[-1] & shape.rest_mask:
            return self._answer_parsed(wire, peer)
        hot, recursion = peer.hot, peer.recursion
        asked = hot.asked[shape.kind | recursion].get(wire[2:end]) or hot.recognise(wire, end, shape, recursion)
        if asked is None or (self.watched and wire[12 : end - 4].lower() in self.watched):
            return self._answer_parsed(wire, peer)
        entry, fork = asked.entry, asked.fork
        if fork is not None:
            alone = shape.prefix and peer.believed and fork.by_subnet and shape.tagged is None
            subnet = wire[end + SUBNET :] if alone else b""
            entry = fork.seen.get(subnet) or self._choose(fork, subnet, shape, wire, peer)
        if entry is None:
            return self._answer_parsed(wire, peer)
        opt = shape.reply
        if shape.family:
            reach = (entry.reach4 if shape.family == 4 else entry.reach6) if peer.ecs else 0
            address = wire[end + HEAD :] if shape.tagged is None else shape.address
            opt += _SCOPES[shape.prefix if shape.prefix < reach else reach] + address
        if entry.size + len(opt) > (peer.limit or shape.limit):
            return self._answer_parsed(wire, peer)
        if entry.guarded and not (
            self._admits(entry, peer, asked.index) and (entry.quota is None or entry.quota.take(self.clock()))
        ):
            return self._answer_parsed(wire, peer)
        entry.tally.hot += 1
        peer.last = wire
        return wire[:2] + (asked.start or entry.heads[asked.index] + wire[12:end] + entry.body) + opt

    async def resolve(self, query: Query, peer: Peer) -> bytes:
        """Answer a miss through the pipeline; always a whole reply within the client's limits."""
        if query.tsig:
            self.ledger.note(query, None, _NOTAUTH, PIPELINE, "no TSIG key is known").piped += 1
            return tsig.refuse_key(query, self.settings.payload)
        serving, trace = self.serving, query.trace
        quota = None if query.decision is None else serving.quotas.get(query.decision.cohort.tenant)
        if quota is not None and not quota.enter():
            quota.refused += 1
            answer = TOO_MUCH
        else:
            try:
                answer = await serving.pipeline.resolve(query)
            finally:
                if quota is not None:
                    quota.leave()
        if serving is self.serving and trace is None:
            self._keep(query, peer, answer)
        began = self.clock()
        reply = self._render(query, peer, answer, query.decision)
        self.ledger.note(query, query.decision, answer.rcode, PIPELINE, answer.why).piped += 1
        if trace is not None:
            trace.passed("Render", began, self.clock())
            trace.end(query, answer)
        return reply

    def _choose(self, fork: Fork, subnet: bytes, shape: Shape, wire: bytes, peer: Peer) -> Entry | None:
        """The Entry of *fork* that is for this client; remembered under the data of its option *subnet*, if that is all
        of him that counts."""
        if shape.tagged is not None:
            client = peer.client(shape.tagged)
        elif shape.family and peer.ecs:
            sent = Subnet(wire[len(wire) - shape.length + HEAD :] + shape.fill, shape.prefix)
            client = Client(peer.source, peer.transport, sent, peer.identity, (), peer.tenant, peer.may_forward)
        else:
            client = peer.plain
        entry = fork.entries.get(fork.plan.decide(client))
        if entry is not None:
            clients = entry.tally.clients
            if subnet:
                see(clients.registers, subnet if shape.brief else subnet_key(subnet, shape.prefix))
                peer.hot.remember(fork, subnet, entry)
            else:
                clients.note(peer.key if client is peer.plain else key_of(client), wire)
        return entry

    def _learn(self, head: bytes) -> Shape | None:
        if len(self._shapes) >= REMEMBERED:
            self._shapes.clear()
        shape = self._shapes[head] = read_shape(head, self.settings.payload)
        return shape

    def _tagged(self, tail: bytes, peer: Peer) -> Shape | None:
        """The Shape of a tail with tags, which are remembered whole; those of senders who are not believed, who are
        to be noted, have none."""
        if not peer.tags:
            return None
        shape = self._tagged_shapes.get(tail)
        if shape is None and (shape := read_tagged(tail, self.settings.payload)) is not None:
            if len(self._tagged_shapes) >= REMEMBERED:
                self._tagged_shapes.clear()
            self._tagged_shapes[tail] = shape
        return shape

    def _admits(self, entry: Entry, peer: Peer, bits: int) -> bool:
        """Whether *entry* may go to this asker now; brings its TTLs up to date."""
        if entry.forwarded and not (peer.may_forward and bits & RD):
            return False
        now = self.clock()
        if now >= entry.expires:
            return False
        entry.age(now)
        return True

    def _answer_parsed(self, wire: bytes, peer: Peer) -> bytes | Query | None:
        """The same after a full parse: any option, any shape, every refusal."""
        try:
            query = parse(wire, peer.client, self.settings.payload)
        except Unanswerable as error:
            self.anomalies.note(peer.source, "unanswerable", str(error))
            self.ledger.unanswerable(error.reply, peer.tenant)
            return error.reply
        if query.edns is not None and query.edns.tags is not None and not query.client.tags:
            self.anomalies.note(peer.source, "tags ignored")
        if query.tsig or query.qclass != IN:
            return query
        if query.qname in self.watched and self.tracer and (trace := self.tracer.begin(query)):
            return self._follow(query, peer, trace)
        slot = peer.hot.get(*_key(query))
        entry: Entry | None
        plan: Plan | None = None
        if isinstance(slot, Entry):
            entry, decision = slot, slot.decision
        else:
            plan = slot.plan if slot else self.serving.plan(query.qname, query.qtype, peer.tenant)
            decision = plan.decide(query.client)
            entry = slot.entries.get(decision) if slot else None
        if self._is_over_quota(decision):
            return self._refuse(query, peer, decision)
        bits = RD if query.recursion_desired else 0
        if entry is not None and (not entry.guarded or self._admits(entry, peer, bits)):
            self.ledger.note(query, decision, entry.answer.rcode, PARSED, entry.answer.why).parsed += 1
            return self._render(query, peer, entry.answer, decision)
        plan = plan or self.serving.plan(query.qname, query.qtype, peer.tenant)
        return query.decided(decision, plan)

    def _is_over_quota(self, decision: Decision) -> bool:
        """Whether the tenant whose name it is has had all queries that it may; this one counts if not."""
        quota = self.serving.quotas.get(decision.cohort.tenant)
        if quota is None or quota.take(self.clock()):
            return False
        quota.refused += 1
        return True

    def _refuse(self, query: Query, peer: Peer, decision: Decision) -> bytes:
        """Tell that the tenant has had all queries that it may."""
        self.ledger.note(query, decision, TOO_MUCH.rcode, PARSED, TOO_MUCH.why).parsed += 1
        return self._render(query, peer, TOO_MUCH, decision)

    def _follow(self, query: Query, peer: Peer, trace: Trace) -> bytes | Query:
        """A miss whose way is traced; past the quota there is no way to follow."""
        began = self.clock()
        plan = self.serving.plan(query.qname, query.qtype, peer.tenant)
        decision = plan.decide(query.client)
        trace.passed("Decide", began, self.clock())
        if self._is_over_quota(decision):
            return self._refuse(query, peer, decision)
        return query.decided(decision, plan, trace)

    def _keep(self, query: Query, peer: Peer, answer: Answer) -> None:
        """Remember *answer* for the askers of its cohort, if it is worth and safe to."""
        if not isinstance(query.plan, Plan) or query.decision is None or not answer.shareable:
            return
        now = self.clock()
        if answer.forwarded and (answer.scope or not answer.ttl or answer.stored is None or now < answer.stored + 1):
            return
        if len(answer.body) > LARGEST:
            return
        view = answer.origin if isinstance(answer.origin, View) else None
        if view is not None and not self.serving.is_current(view):
            return
        tally = self.ledger.tallies.of(answer.rcode, query.decision, query.client.tenant)
        quota = self.serving.quotas.get(query.decision.cohort.tenant)
        entry = Entry(query, answer, query.decision, tally, quota)
        key = _key(query)
        peer.hot.keep(*key, entry, query.plan)
        if view is not None:
            peer.hot.tie(*key, view)
        if query.qname in self.serving.moving:
            peer.hot.tie(*key, query.qname)

    def _render(self, query: Query, peer: Peer, answer: Answer, decision: Decision | None) -> bytes:
        return self.settings.reply(query, peer, answer, decision, self.clock(), self.wall())


def _key(query: Query) -> tuple[int, bytes]:
    """Where *query* stands in a hot table: the DO and CD bits, and its question lowered."""
    flags = (2 if query.dnssec_ok else 0) | (1 if query.checking_disabled else 0)
    return flags, query.qname + query.question[-4:]
