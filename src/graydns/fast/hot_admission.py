"""Which answers of the pipeline enter the hot table."""

from __future__ import annotations

from graydns.fast.answer_log import AnswerCounters
from graydns.fast.hot_entry import HotEntry
from graydns.fast.interfaces import ServingState
from graydns.fast.peer import Peer
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.catalog import CatalogView
from graydns.model.query import Query

#: Octets of the largest body that enters the hot table.
MAX_HOT_BODY_BYTES = 4096


def make_hot_key(query: Query) -> tuple[int, bytes]:
    """The key of *query* in a hot table: the DO and CD bits, and its question in lower case."""
    flags = (2 if query.dnssec_ok else 0) | (1 if query.checking_disabled else 0)
    return flags, query.qname + query.question[-4:]


def store_hot_answer(
    query: Query, peer: Peer, answer: Answer, serving: ServingState, counters: AnswerCounters, now: float
) -> None:
    """Store *answer* for the clients of its cohort, if it may be shared and its size and age allow it.

    *now*: monotonic seconds. Forwarded answers enter once a cache has had them for a second, and never if they depend
    on the client's subnet: then each subnet has its own.
    """
    if not isinstance(query.plan, Plan) or query.decision is None or not answer.shareable:
        return
    if answer.forwarded and (
        answer.ecs_scope or not answer.ttl or answer.stored_at is None or now < answer.stored_at + 1
    ):
        return
    if len(answer.body) > MAX_HOT_BODY_BYTES:
        return
    view = answer.origin if isinstance(answer.origin, CatalogView) else None
    if view is not None and not serving.is_current(view):
        return
    counter = counters.counter_for(answer.rcode, query.decision, query.client.tenant)
    quota = serving.quotas.get(query.decision.cohort.tenant)
    entry = HotEntry(query, answer, query.decision, counter, quota)
    key = make_hot_key(query)
    peer.hot.store(*key, entry, query.plan)
    if view is not None:
        peer.hot.tie_to_view(*key, view)
    if query.qname in serving.catalog_names:
        peer.hot.tie_to_view(*key, query.qname)
