"""How a chain is put together and shown."""

from __future__ import annotations

from functools import partial

from graydns.resolve.coalesce import Coalesce
from graydns.resolve.forward import Forward
from graydns.resolve.link import stack
from graydns.upstream.table import ForwardTable
from tests.resolve.chains import Chain
from tests.upstream.scripted import make_client


def test_first_link_is_on_top() -> None:
    """``stack`` sets each link on the one written after it."""
    chain = Chain(raw=True)
    forward = Forward(client=make_client(), choose=ForwardTable({}).choose)
    top = stack(partial(Coalesce, key=chain.keys.of_cohort), partial(Coalesce, key=chain.keys.raw), last=forward)
    assert isinstance(top, Coalesce)
    assert isinstance(top.below, Coalesce)
    assert top.below.below is forward


def test_chain_shows_its_links_only() -> None:
    """The repr of a chain is the path of a query, without stores and clocks."""
    forward = Forward(client=make_client(), choose=ForwardTable({}).choose)
    assert repr(stack(partial(Coalesce, key=id), last=forward)) == "Coalesce(below=Forward())"
    chain = Chain(raw=True)
    assert repr(chain.cache).startswith("Cache(below=RawCache(below=Coalesce(below=Driven(")
