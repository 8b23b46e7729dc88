"""How a chain is put together and shown."""

from __future__ import annotations

from functools import partial

from graydns.resolve.link import stack_links
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.forwarder import Forwarder
from graydns.upstream.server_groups import ForwardTable
from tests.resolve.chains import Chain
from tests.upstream.scripted import make_client


def test_first_link_is_on_top() -> None:
    """``stack_links`` sets each link on the one written after it."""
    chain = Chain(raw=True)
    forward = Forwarder(client=make_client(), choose_group=ForwardTable({}).choose_group)
    top = stack_links(
        partial(QueryCoalescer, key=chain.keys.make_cohort_key),
        partial(QueryCoalescer, key=chain.keys.make_raw_key),
        last=forward,
    )
    assert isinstance(top, QueryCoalescer)
    assert isinstance(top.below, QueryCoalescer)
    assert top.below.below is forward


def test_chain_shows_its_links_only() -> None:
    """The repr of a chain is the path of a query, without stores and clocks."""
    forward = Forwarder(client=make_client(), choose_group=ForwardTable({}).choose_group)
    assert repr(stack_links(partial(QueryCoalescer, key=id), last=forward)) == "QueryCoalescer(below=Forwarder())"
    chain = Chain(raw=True)
    assert repr(chain.cache).startswith("AnswerCache(below=RawCache(below=QueryCoalescer(below=Driven(")
