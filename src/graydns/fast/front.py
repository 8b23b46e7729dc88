"""From the bytes of a query to the bytes of its answer: what every door calls.

::

    answer(wire, peer)          synchronous; nearly every query ends here
      HEADS, Shape              header and tail looked up, not parsed        else wire.parse (FORMERR, BADVERS, NOTIMP)
      peer.hot                  question → Entry | Fork (Plan.decide)        miss: a Query with its Decision
      guard                     forwarded answers only to those allowed, and with RD
      join                      id, header, question as asked, body, OPT
    resolve(query, peer)        the pipeline, then wire.render; reusable answers go to the hot table

Errors end as answers; nothing here raises because of what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import Factory, define, field, frozen

from graydns.fast.cookies import reply_option
from graydns.fast.hot import AD, OPT, RD, Entry, Fork
from graydns.fast.ledger import PARSED, PIPELINE, Ledger
from graydns.fast.peer import Peer, Peers
from graydns.fast.quota import Quota
from graydns.fast.shape import HEAD, REMEMBERED, SUBNET, Shape, read_shape
from graydns.fast.sketch import key_of, see, subnet_key
from graydns.gray.plan import Plan
from graydns.model.answer import Answer, Ede
from graydns.model.decision import Decision
from graydns.model.errors import Unanswerable
from graydns.model.observe import Anomalies, Trace, Tracer
from graydns.model.query import TLS, UDP, Client, Edns, Query, Subnet
from graydns.wire import edns, tsig
from graydns.wire.parse import parse
from graydns.wire.render import render

#: RFC 8467 section 4.1: responses are padded to multiples of this.
PADDING_BLOCK = 468

#: Octets of body past which an answer stays out of the hot table.
LARGEST = 4096

IN = 1
_CD = 8
_NOTAUTH = 9


def _heads() -> dict[bytes, int]:
    """Header octets 2 to 11 of the queries the front knows, to their RD | OPT | AD | CD bits."""
    heads = {}
    for bits in range(16):
        flags = (1 if bits & RD else 0, (0x20 if bits & AD else 0) | (0x10 if bits & _CD else 0))
        heads[bytes((*flags, 0, 1, 0, 0, 0, 0, 0, 1 if bits & OPT else 0))] = bits
    return heads


_HEADS = _heads()
_SCOPES = tuple(bytes((scope,)) for scope in range(129))

#: What queries over a tenant's quota are told.
_TOO_MUCH = Answer(
    rcode=5,
    edes=(Ede(0, "over the tenant's limit of queries"),),
    scope=0,
    why="over the tenant's limit of queries",
    shareable=False,
)


class Pipeline(Protocol):
    """What answers a miss; never raises (``resolve.pipeline``)."""

    async def resolve(self, query: Query) -> Answer:
        """The answer to *query*, errors included."""


@frozen(eq=False)
class Serving:
    """The running Snapshot as the front sees it; replaced in one assignment.

    *plan*: (name, type, asker's tenant) to the Plan that applies. *quotas*: of the tenants that have one. A query keeps
    the Serving it began with.
    """

    pipeline: Pipeline
    plan: Callable[[bytes, int, str], Plan]
    peers: Peers = field(repr=False)
    quotas: Mapping[str, Quota] = field(factory=dict, repr=False)


@frozen
class ReplySettings:
    """What every reply needs to know. *payload*: octets over UDP, sent and advertised; *idle*: seconds a quiet TCP
    connection is kept; *nsid*: None to stay silent about it; *cookie_secrets*: the first makes cookies."""

    payload: int = 1232
    nsid: bytes | None = None
    idle: float = 8.0
    cookie_secrets: tuple[bytes, ...] = ()


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

    def answer(self, wire: bytes, peer: Peer) -> bytes | Query | None:
        """Bytes to send, None for silence, or a Query that :meth:`resolve` must answer."""
        bits = _HEADS.get(wire[2:12])
        if bits is None:
            return self._answer_parsed(wire, peer)
        # A NUL inside a label ends this name too early; such a key equals none that a whole name made.
        end = wire.find(b"\0", 12) + 5
        tail = wire[end:]
        head = tail[:HEAD]
        try:
            shape = self._shapes[head]
        except KeyError:
            shape = self._learn(head)
        if shape is None or shape.length != len(tail) or shape.opt != bits & OPT:
            return self._answer_parsed(wire, peer)
        key = wire[12 : end - 4].lower() + wire[end - 4 : end]
        if self.watched and key[:-4] in self.watched:
            return self._answer_parsed(wire, peer)
        flags = shape.flags | bits >> 3
        slot = peer.hot.young[flags].get(key) or peer.hot.promote(flags, key)
        if slot is None or wire[-1] & shape.rest_mask:
            return self._answer_parsed(wire, peer)
        if type(slot) is Entry:
            entry: Entry | None = slot
        elif shape.prefix and peer.believed and slot.by_subnet:
            entry = slot.seen.get(tail[SUBNET:]) or self._choose(slot, tail[SUBNET:], shape, wire, peer)
        else:
            entry = self._choose(slot, b"", shape, wire, peer)
        if entry is None:
            return self._answer_parsed(wire, peer)
        opt = shape.reply
        if shape.family:
            reach = (entry.reach4 if shape.family == 4 else entry.reach6) if peer.ecs else 0
            opt += _SCOPES[shape.prefix if shape.prefix < reach else reach] + tail[HEAD:]
        if entry.size + len(opt) > (peer.limit or shape.limit):
            return self._answer_parsed(wire, peer)
        if entry.guarded and not (
            self._admits(entry, peer, bits) and (entry.quota is None or entry.quota.take(self.clock()))
        ):
            return self._answer_parsed(wire, peer)
        tally = entry.tally
        tally.hot += 1
        peer.last = wire
        return b"".join((wire[:2], entry.heads[bits & 7 | peer.recursion], wire[12:end], entry.body, opt))

    async def resolve(self, query: Query, peer: Peer) -> bytes:
        """Answer a miss through the pipeline; always a whole reply within the client's limits."""
        if query.tsig:
            self.ledger.note(query, None, _NOTAUTH, PIPELINE, "no TSIG key is known").piped += 1
            return tsig.refuse_key(query)
        serving, trace = self.serving, query.trace
        quota = None if query.decision is None else serving.quotas.get(query.decision.cohort.tenant)
        if quota is not None and not quota.enter():
            quota.refused += 1
            answer = _TOO_MUCH
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

    def _choose(self, fork: Fork, seen: bytes, shape: Shape, wire: bytes, peer: Peer) -> Entry | None:
        """The Entry of *fork* that is for this client; remembered under its subnet option *seen*, if that is all of him
        that counts."""
        if shape.family and peer.ecs:
            subnet = Subnet(wire[len(wire) - shape.length + HEAD :] + shape.fill, shape.prefix)
            client = Client(peer.source, peer.transport, subnet, peer.identity, (), peer.tenant, peer.may_forward)
        else:
            client = peer.plain
        entry = fork.entries.get(fork.plan.decide(client))
        if entry is not None:
            clients = entry.tally.clients
            if seen:
                see(clients.registers, seen if shape.brief else subnet_key(seen, shape.prefix))
                peer.hot.remember(fork, seen, entry)
            else:
                clients.note(peer.key if client is peer.plain else key_of(client), wire)
        return entry

    def _learn(self, head: bytes) -> Shape | None:
        if len(self._shapes) >= REMEMBERED:
            self._shapes.clear()
        shape = self._shapes[head] = read_shape(head, self.settings.payload)
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
            query = parse(wire, peer.client)
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
            self.ledger.note(query, decision, _TOO_MUCH.rcode, PARSED, _TOO_MUCH.why).parsed += 1
            return self._render(query, peer, _TOO_MUCH, decision)
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

    def _follow(self, query: Query, peer: Peer, trace: Trace) -> Query:
        """A miss whose way is traced."""
        began = self.clock()
        plan = self.serving.plan(query.qname, query.qtype, peer.tenant)
        decision = plan.decide(query.client)
        trace.passed("Decide", began, self.clock())
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
        tally = self.ledger.tallies.of(answer.rcode, query.decision, query.client.tenant)
        quota = self.serving.quotas.get(query.decision.cohort.tenant)
        entry = Entry(query, answer, query.decision, tally, quota)
        peer.hot.keep(*_key(query), entry, query.plan)

    def _render(self, query: Query, peer: Peer, answer: Answer, decision: Decision | None) -> bytes:
        asked = query.edns
        limit = peer.limit or (512 if asked is None else min(asked.payload, self.settings.payload))
        scope = answer.scope if answer.scope is not None else decision.scope(query.client) if decision else 0
        return render(
            query,
            answer,
            now=self.clock(),
            limit=limit,
            options=b"" if asked is None else self._options(asked, peer),
            payload=self.settings.payload,
            recursion_available=peer.may_forward,
            scope=0 if query.client.subnet is None else min(scope, query.client.subnet.prefix),
            pad=PADDING_BLOCK if asked is not None and asked.padding and peer.transport == TLS else 0,
        )

    def _options(self, asked: Edns, peer: Peer) -> bytes:
        """The options of a reply that depend on the asker alone."""
        settings, options = self.settings, b""
        if asked.cookie is not None and settings.cookie_secrets:
            options = reply_option(settings.cookie_secrets, asked.cookie, peer.source, int(self.wall()))
        if asked.nsid and settings.nsid is not None:
            options += edns.option(edns.NSID, settings.nsid)
        if asked.keepalive and peer.transport != UDP:
            options += edns.option(edns.KEEPALIVE, int(settings.idle * 10).to_bytes(2, "big"))
        return options


def _key(query: Query) -> tuple[int, bytes]:
    """Where *query* stands in a hot table: the DO and CD bits, and its question lowered."""
    flags = (2 if query.dnssec_ok else 0) | (1 if query.checking_disabled else 0)
    return flags, query.qname + query.question[-4:]
