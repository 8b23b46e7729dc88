"""``graydnsctl why``: the last answers that one client got, and how the router decides them now.

Answers that were parsed or went through the pipeline are stored one by one (AnswerLog). Of hot answers there are the
subnets stored for each name (HotVariants), the last queries of a few hundred other clients of each group of answers
that depend on the client (ClientCounter), and the last query of each sender (Peer).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain, islice

from attrs import field, frozen

from graydns.fast.answer_log import AnswerRecord, CounterGroup
from graydns.fast.client_counter import parse_counting_key
from graydns.fast.frontend import Frontend
from graydns.fast.hot_table import HotTable
from graydns.gray.explanation import Explanation
from graydns.model import name
from graydns.model.client import IDENTITY_PREFIXES, Client, Subnet
from graydns.model.dns_parameters import format_rcode, format_rdtype
from graydns.model.errors import ControlError, UnanswerableError
from graydns.model.query import Edns, Query
from graydns.observe.trace_recorder import PlainData, client_to_plain, decision_to_plain, format_timestamp
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.parse import parse_query

#: Answers returned for one client.
MAX_ANSWERS = 50

PATH_HOT = "hot"

#: Names of each hot table, and recent queries, that are searched: some milliseconds.
MAX_SCANNED_VARIANTS, MAX_SCANNED_QUERIES = 500, 20_000


IpNetwork = IPv4Network | IPv6Network


@frozen
class ClientSelector:
    """A client as an operator specifies it: an address or network, or an identity."""

    network: IpNetwork | None
    identities: tuple[str, ...] = ()

    def matches(self, client: Client) -> bool:
        """Whether *client* is selected: by its identity, its client subnet or its address."""
        if self.network is None:
            return client.identity in self.identities
        if client.subnet is not None and client.subnet.prefix and _overlaps(self.network, client.subnet):
            return True
        return _overlaps(self.network, Subnet(client.source, 8 * len(client.source)))

    def ecs_options(self) -> tuple[bytes, ...]:
        """The data of the ECS options of this client: its network, or all networks that contain its address."""
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


def _overlaps(network: IpNetwork, subnet: Subnet) -> bool:
    if len(subnet.address) != network.max_prefixlen // 8:
        return False
    other = int.from_bytes(subnet.address, "big")
    shift = network.max_prefixlen - min(network.prefixlen, subnet.prefix)
    return int(network.network_address) >> shift == other >> shift


def parse_client_selector(text: str) -> ClientSelector:
    """Read an address, a network in CIDR, or an identity (``tls:NAME``, ``client:NAME``; a bare NAME: any of these).

    Raises ControlError.
    """
    try:
        return ClientSelector(ip_network(text, strict=False))
    except ValueError:
        if not text.strip():
            raise ControlError("expected an address, a network or an identity") from None
    return ClientSelector(
        None, (text,) if text.startswith(IDENTITY_PREFIXES) else tuple(kind + text for kind in IDENTITY_PREFIXES)
    )


@frozen(eq=False)
class AnswerFinder:
    """Searches *front* and the hot *tables* (by tenant). *snapshot*: returns the running one."""

    front: Frontend = field(repr=False)
    tables: Callable[[], Mapping[str, HotTable]] = field(repr=False)
    snapshot: Callable[[], Snapshot] = field(repr=False)

    def why(self, client: str, tenant: str | None = None) -> list[PlainData]:
        """The last answers of *client*, newest first, those of the hot table after the others; *tenant*: only its own.

        Plain values: ``at`` (None for hot answers), ``way``, ``name``, ``type``, ``rcode`` (None where it is no longer
        known), ``client``, the decision (``tenant``, ``service``, ``outcome``, ``endpoint``, ``why``), ``explanation``:
        the running router's decision, and ``still``: whether that is the same. Raises ControlError.
        """
        who = parse_client_selector(client)
        recorded = (
            self._record_to_plain(each) for each in reversed(self.front.answer_log.recent) if who.matches(each.client)
        )
        found = chain(recorded, self._by_subnet(who), self._by_group(who), self._by_sender(who))
        return list(islice((each for each in found if tenant in (None, each["tenant"])), MAX_ANSWERS))

    def _record_to_plain(self, record: AnswerRecord) -> PlainData:
        question = record.qname + record.qtype.to_bytes(2, "big") + b"\0\1"
        query = Query(0, b"", question, record.qname, record.qtype, 1, record.client)
        explanation = self._explain(query)
        return {
            "at": format_timestamp(record.at),
            "way": record.path,
            **_question_to_plain(query),
            "rcode": format_rcode(record.rcode),
            "answer": record.why,
            **decision_to_plain(record.decision, record.client.tenant),
            "explanation": _explanation_to_plain(explanation),
            "still": record.decision is not None and record.decision.cohort == explanation.decision.cohort,
        }

    def _by_subnet(self, who: ClientSelector) -> Iterator[PlainData]:
        """Hot answers that depend on the client's subnet alone."""
        options = who.ecs_options()
        for tenant, table in self.tables().items():
            for key, fork in islice(table.variants(), MAX_SCANNED_VARIANTS):
                for option in options:
                    if (entry := fork.entry_by_subnet.get(option)) is not None:
                        client = parse_counting_key(option, tenant)
                        query = Query(0, b"", key, key[:-4], int.from_bytes(key[-4:-2], "big"), 1, client)
                        yield self._hot_to_plain(query, CounterGroup(*entry.decision.cohort[:3]), entry.answer.rcode)

    def _by_group(self, who: ClientSelector) -> Iterator[PlainData]:
        """Other hot answers that depend on the client."""
        tallies = self.front.answer_log.tallies
        recent = (
            (group, key, wire) for group, clients in tuple(tallies.clients.items()) for key, wire in clients.queries()
        )
        for group, key, wire in islice(recent, MAX_SCANNED_QUERIES):
            client = parse_counting_key(key, group.tenant)
            if who.matches(client) and (query := _parse_or_none(wire, _with_query_subnet(client))) is not None:
                yield self._hot_to_plain(query, group, tallies.rcode(group))

    def _by_sender(self, who: ClientSelector) -> Iterator[PlainData]:
        """The last hot answer of a sender, unless it is among those above."""
        if who.network is None or who.network.num_addresses > 1:
            return
        peer = self.front.serving.peers.find_datagram_peer(str(who.network.network_address))
        if peer is None or (query := _parse_or_none(peer.last_query, peer.client)) is None:
            return
        decision = self.snapshot().plan(query.qname, query.qtype, peer.tenant).decide(query.client)
        if not decision.varies:
            yield self._hot_to_plain(query, CounterGroup(*decision.cohort[:3]), None)

    def _hot_to_plain(self, query: Query, group: CounterGroup, rcode: int | None) -> PlainData:
        explanation = self._explain(query)
        same = group == explanation.decision.cohort[:3]
        return {
            "at": None,
            "way": PATH_HOT,
            **_question_to_plain(query),
            "rcode": None if rcode is None else format_rcode(rcode),
            "answer": explanation.decision.why if same else "",
            **group._asdict(),
            "endpoint": explanation.decision.cohort.endpoint if same else "",
            "why": explanation.decision.why if same else "the policy has changed since",
            "explanation": _explanation_to_plain(explanation),
            "still": same,
        }

    def _explain(self, query: Query) -> Explanation:
        """The running router's decision, without the reasons of what may be 100,000 rules."""
        if not query.client.source:
            query = query._replace(client=query.client._replace(source=bytes(4)))
        return self.snapshot().explain(query)


def _explanation_to_plain(explanation: Explanation) -> PlainData:
    """An explanation as plain values, tuples as lists, without the rules."""
    data = explanation.to_data()
    del data["rules"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}


def _question_to_plain(query: Query) -> PlainData:
    return {
        "name": name.to_text(query.qname),
        "type": format_rdtype(query.qtype),
        "client": client_to_plain(query.client),
    }


def _with_query_subnet(client: Client) -> Callable[[Edns | None], Client]:
    """The same client, with the subnet of its query."""

    def identify(edns: Edns | None) -> Client:
        return client if client.subnet is None or edns is None else client._replace(subnet=edns.subnet)

    return identify


def _parse_or_none(wire: bytes, identify: Callable[[Edns | None], Client]) -> Query | None:
    try:
        return parse_query(wire, identify)
    except UnanswerableError:
        return None
