"""Why: the last answers that one client got, and how the Router comes to them.

Answers that were parsed or went through the pipeline are remembered one by one (``fast.ledger``). Of hot answers there
are the subnets that each name remembers (``fast.hot``), the last queries of a few hundred other clients of each group
of answers that depend on the client (``fast.clients``), and the last query of each sender (``fast.peer``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain, islice

from attrs import field, frozen

from graydns.fast.front import Front
from graydns.fast.hot import HotTable
from graydns.fast.ledger import Told
from graydns.fast.sketch import client_of
from graydns.fast.tally import Group
from graydns.gray.explain import Explanation
from graydns.model import name
from graydns.model.errors import ControlError, Unanswerable
from graydns.model.query import Client, Edns, Query, Subnet
from graydns.observe.render import Plain, show_client, show_decision, show_rcode, show_time, show_type
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.parse import parse

#: Answers given for one client.
MOST = 50

HOT = "hot"

#: Names of each hot table, and recent queries, that are looked at; enough for most, and done in milliseconds.
FORKS, QUERIES = 500, 20_000

_NAMESPACES = ("tls:", "tsig:", "client:")

Network = IPv4Network | IPv6Network


@frozen
class Who:
    """A client as an operator names it: an address or network, or an identity."""

    network: Network | None
    identities: tuple[str, ...] = ()

    def means(self, client: Client) -> bool:
        """Whether *client* is meant: by its identity, by the subnet it told, or by its address."""
        if self.network is None:
            return client.identity in self.identities
        if client.subnet is not None and client.subnet.prefix and _overlap(self.network, client.subnet):
            return True
        return _overlap(self.network, Subnet(client.source, 8 * len(client.source)))

    def options(self) -> tuple[bytes, ...]:
        """The data of the ECS options that can mean this client: its network, or all networks an address is in."""
        network = self.network
        if network is None or not network.prefixlen:
            return ()
        family, width = (1, 32) if network.version == 4 else (2, 128)
        prefixes = range(1, width + 1) if network.prefixlen == width else (network.prefixlen,)
        number = int(network.network_address)
        masked = ((number >> width - prefix << width - prefix, prefix) for prefix in prefixes)
        return tuple(
            bytes((0, family, prefix, 0)) + cut.to_bytes(width // 8, "big")[: (prefix + 7) // 8]
            for cut, prefix in masked
        )


def _overlap(network: Network, subnet: Subnet) -> bool:
    if len(subnet.address) != network.max_prefixlen // 8:
        return False
    other = int.from_bytes(subnet.address, "big")
    shift = network.max_prefixlen - min(network.prefixlen, subnet.prefix)
    return int(network.network_address) >> shift == other >> shift


def read_who(text: str) -> Who:
    """Read an address, a network in CIDR, or an identity (``tls:NAME``, ``client:NAME``; a bare NAME: any of these).

    Raises ControlError.
    """
    try:
        return Who(ip_network(text, strict=False))
    except ValueError:
        if not text.strip():
            raise ControlError("expected an address, a network or an identity") from None
    return Who(None, (text,) if text.startswith(_NAMESPACES) else tuple(kind + text for kind in _NAMESPACES))


@frozen(eq=False)
class WhyBook:
    """Answers "why" from what *front* and the hot *tables* (by tenant) remember. *snapshot*: gives the running one."""

    front: Front = field(repr=False)
    tables: Callable[[], Mapping[str, HotTable]] = field(repr=False)
    snapshot: Callable[[], Snapshot] = field(repr=False)

    def why(self, client: str, tenant: str | None = None) -> list[Plain]:
        """The last answers of *client*, newest first, those of the hot table after the others; *tenant*: only its own.

        Plain values: ``at`` (None for hot answers), ``way``, ``name``, ``type``, ``rcode`` (None where it is not known
        any more), ``client``, the verdict (``tenant``, ``service``, ``outcome``, ``endpoint``, ``why``), and
        ``explanation``: what the running Router says, and ``still``: whether that is the same. Raises ControlError.
        """
        who = read_who(client)
        told = (self._show_told(each) for each in reversed(self.front.ledger.told) if who.means(each.client))
        found = chain(told, self._by_subnet(who), self._by_group(who), self._by_sender(who))
        return list(islice((each for each in found if tenant in (None, each["tenant"])), MOST))

    def _show_told(self, told: Told) -> Plain:
        question = told.qname + told.qtype.to_bytes(2, "big") + b"\0\1"
        query = Query(0, b"", question, told.qname, told.qtype, 1, told.client)
        explanation = self._explain(query)
        return {
            "at": show_time(told.at),
            "way": told.way,
            **_show_question(query),
            "rcode": show_rcode(told.rcode),
            "answer": told.why,
            **show_decision(told.verdict, told.client.tenant),
            "explanation": _plain(explanation),
            "still": told.verdict is not None and told.verdict.cohort == explanation.decision.cohort,
        }

    def _by_subnet(self, who: Who) -> Iterator[Plain]:
        """Hot answers that depend on the client's subnet alone."""
        options = who.options()
        for tenant, table in self.tables().items():
            for key, fork in islice(table.forks(), FORKS):
                for option in options:
                    if (entry := fork.seen.get(option)) is not None:
                        client = client_of(option, tenant)
                        query = Query(0, b"", key, key[:-4], int.from_bytes(key[-4:-2], "big"), 1, client)
                        yield self._show_hot(query, Group(*entry.decision.cohort[:3]), entry.answer.rcode)

    def _by_group(self, who: Who) -> Iterator[Plain]:
        """Other hot answers that depend on the client."""
        tallies = self.front.ledger.tallies
        recent = (
            (group, key, wire) for group, clients in tuple(tallies.clients.items()) for key, wire in clients.queries()
        )
        for group, key, wire in islice(recent, QUERIES):
            client = client_of(key, group.tenant)
            if who.means(client) and (query := _parse(wire, _as_told(client))) is not None:
                yield self._show_hot(query, group, tallies.rcode(group))

    def _by_sender(self, who: Who) -> Iterator[Plain]:
        """The last hot answer of a sender, unless it was told above."""
        if who.network is None or who.network.num_addresses > 1:
            return
        peer = self.front.serving.peers.known(str(who.network.network_address))
        if peer is None or (query := _parse(peer.last, peer.client)) is None:
            return
        decision = self.snapshot().plan(query.qname, query.qtype, peer.tenant).decide(query.client)
        if not decision.varies:
            yield self._show_hot(query, Group(*decision.cohort[:3]), None)

    def _show_hot(self, query: Query, group: Group, rcode: int | None) -> Plain:
        explanation = self._explain(query)
        same = group == explanation.decision.cohort[:3]
        return {
            "at": None,
            "way": HOT,
            **_show_question(query),
            "rcode": None if rcode is None else show_rcode(rcode),
            "answer": explanation.decision.why if same else "",
            **group._asdict(),
            "endpoint": explanation.decision.cohort.endpoint if same else "",
            "why": explanation.decision.why if same else "the policy has changed since",
            "explanation": _plain(explanation),
            "still": same,
        }

    def _explain(self, query: Query) -> Explanation:
        """What the running Router says, without a note on each of what may be 100,000 rules."""
        if not query.client.source:
            query = query._replace(client=query.client._replace(source=bytes(4)))
        return self.snapshot().explain(query)


def _plain(explanation: Explanation) -> Plain:
    """An explanation as plain values, tuples as lists, without the rules."""
    data = explanation.to_data()
    del data["rules"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}


def _show_question(query: Query) -> Plain:
    return {
        "name": name.to_text(query.qname),
        "type": show_type(query.qtype),
        "client": show_client(query.client),
    }


def _as_told(client: Client) -> Callable[[Edns | None], Client]:
    """The same client, with the subnet as its query told it."""

    def identify(edns: Edns | None) -> Client:
        return client if client.subnet is None or edns is None else client._replace(subnet=edns.subnet)

    return identify


def _parse(wire: bytes, identify: Callable[[Edns | None], Client]) -> Query | None:
    try:
        return parse(wire, identify)
    except Unanswerable:
        return None
