"""Zone: the records of one zone, signed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from random import Random

import dns.dnssec
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.zone
from attrs import define, field
from dns.dnssectypes import DSDigest
from dns.name import Name, from_text
from dns.rdata import Rdata
from dns.rdatatype import DNSKEY, DS, NS, NSEC, RRSIG, RdataType
from dns.rdtypes.ANY import DNSKEY as KEYS
from dns.rdtypes.ANY import RRSIG as SIGNATURES

from tools.signed.content import BRIEF, RECORDS
from tools.signed.denial import nsec3_chain, nsec3_parameters, nsec_chain
from tools.signed.keys import Key, forge_key, make_key
from tools.signed.spec import Nsec, Spec, Use, Window

#: Seconds that negative answers and their proofs live; everything else has content.py's.
NEGATIVE = 60
TTL = 300

#: An unassigned digest type.
UNKNOWN_DIGEST = 200


@define
class Zone:
    """A zone at the time *now* (Unix seconds), and its *children*'s delegations."""

    spec: Spec
    now: int
    other: str
    children: tuple[Zone, ...] = ()
    origin: Name = field(init=False)
    keys: tuple[tuple[Use, Key], ...] = field(init=False)
    nodes: dict[Name, dict[RdataType, dns.rdataset.Rdataset]] = field(init=False)
    signatures: dict[tuple[Name, RdataType], dns.rdataset.Rdataset] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.origin = from_text(self.spec.name)
        self.keys = tuple((use, self._key(use)) for use in self.spec.keys)
        self.nodes = defaultdict(dict)
        text = (BRIEF if self.spec.is_brief else RECORDS).format(self.spec.name, other=self.other) + self.spec.more
        for name, rdataset in dns.zone.from_text(text, self.origin, relativize=False).iterate_rdatasets():
            self.nodes[name][rdataset.rdtype] = rdataset
        for child in self.children:
            self._delegate(child)
        if self.keys:
            self._sign()

    def rrset(self, name: Name, rdtype: RdataType) -> list[dns.rrset.RRset]:
        """That RRset and its RRSIGs; nothing where there is none."""
        found = self.nodes.get(name, {}).get(rdtype)
        if found is None:
            return []
        result = [dns.rrset.from_rdata_list(name, found.ttl, list(found))]
        if signed := self.signatures.get((name, rdtype)):
            result.append(dns.rrset.from_rdata_list(name, signed.ttl, list(signed)))
        return result

    def ds(self) -> list[Rdata]:
        """What the parent, or a trust anchor, says of this zone's keys."""
        delegated = [key for use, key in self.keys if use.delegated]
        return [self._ds(key, digest) for key in delegated for digest in self.spec.digests.types]

    def anchors(self) -> list[str]:
        """What resolvers are given to begin with at this zone: a record a line."""
        made = []
        for _, key in [each for each in self.keys if each[0].keys and self.spec.anchored]:
            rdata = key.dnskey if self.spec.anchored == "DNSKEY" else self._ds(key, 2)
            made.append(f"{self.spec.name} IN {self.spec.anchored} {rdata.to_text().replace(chr(10), ' ')}")
        return made

    def to_text(self) -> str:
        """The zone file."""
        lines = [line for name, node in self.nodes.items() for each in node.values() for line in _lines(name, each)]
        lines += [line for (name, _), each in self.signatures.items() for line in _lines(name, each)]
        return "\n".join(lines) + "\n"

    def _key(self, use: Use) -> Key:
        return make_key(f"{self.spec.name} {use.name}", use.algorithm, use.flags, use.protocol)

    def _ds(self, key: Key, digest: int) -> Rdata:
        made = dns.dnssec.make_ds(
            self.origin,
            key.dnskey,
            DSDigest(2 if digest == UNKNOWN_DIGEST else digest),
            policy=dns.dnssec.allow_all_policy,
        )
        octets = made.digest
        if digest in self.spec.digests.wrong:
            octets = bytes([octets[0] ^ 1]) + octets[1:]
        return dns.rdata.from_text("IN", "DS", f"{made.key_tag} {int(made.algorithm)} {digest} {octets.hex()}")

    def _delegate(self, child: Zone) -> None:
        """NS, DS and glue of *child*."""
        for rdtype, owner in ((NS, child.origin), (RdataType.A, from_text("ns", child.origin))):
            self._add(owner, dns.rdataset.from_rdata_list(TTL, list(child.nodes[owner][rdtype])))
        if records := child.ds():
            self._add(child.origin, dns.rdataset.from_rdata_list(TTL, records))

    def _add(self, name: Name, rdataset: dns.rdataset.Rdataset) -> None:
        self.nodes[name][rdataset.rdtype] = rdataset

    def _sign(self) -> None:
        published = [key.dnskey for use, key in self.keys if use.published]
        published += [forge_key(str(number), self._trapped()) for number in range(self.spec.forged)]
        if published:
            self._add(self.origin, dns.rdataset.from_rdata_list(TTL, published))
        cuts = {child.origin for child in self.children}
        below = {name for name in self.nodes if any(name != cut and name.is_subdomain(cut) for cut in cuts)}
        chain = nsec_chain if isinstance(self.spec.denial, Nsec) else nsec3_chain
        if not isinstance(self.spec.denial, Nsec):
            self._add(self.origin, dns.rdataset.from_rdata(0, nsec3_parameters(self.spec.denial)))
        types = {
            name: set(node) | ({RRSIG} if name not in cuts or DS in node else set())
            for name, node in self.nodes.items()
            if name not in below
        }
        for name, rdata in chain(self.origin, types, self.spec.denial):
            self._add(name, dns.rdataset.from_rdata(NEGATIVE, rdata))
        for name, node in self.nodes.items():
            if name in below:
                continue
            for rdtype, rdataset in node.items():
                if name not in cuts or rdtype in (DS, NSEC):
                    self._sign_rdataset(name, rdataset)

    def _sign_rdataset(self, name: Name, rdataset: dns.rdataset.Rdataset) -> None:
        window, is_keys = self.spec.data_window, rdataset.rdtype == DNSKEY
        if is_keys:
            window = self.spec.keys_window
        made = []
        for use, key in self.keys:
            if (use.keys if is_keys else use.data) and key.private is not None:
                signature = self._signature(name, rdataset, key, window)
                made.append(self.spec.tamper(signature) if self.spec.tamper and not is_keys else signature)
        if self.spec.forged and not is_keys:
            for number in range(self.spec.forged):
                octets = Random(f"{name} {rdataset.rdtype} {number}").randbytes(len(made[0].signature) - 1)
                made.append(changed(made[0], signature=b"\0" + octets))
        if made:
            self.signatures[name, rdataset.rdtype] = dns.rdataset.from_rdata_list(rdataset.ttl, made)

    def _trapped(self) -> KEYS.DNSKEY:
        return next(key.dnskey for use, key in self.keys if use.data)

    def _signature(self, name: Name, rdataset: dns.rdataset.Rdataset, key: Key, window: Window) -> SIGNATURES.RRSIG:
        assert key.private is not None
        return dns.dnssec.sign(
            (name, rdataset),
            key.private,
            self.origin,
            key.dnskey,
            inception=self.now + window.inception,
            expiration=self.now + window.expiration,
            policy=dns.dnssec.allow_all_policy,
        )


def _lines(name: Name, rdataset: dns.rdataset.Rdataset) -> Iterator[str]:
    kind = dns.rdatatype.to_text(rdataset.rdtype)
    for rdata in rdataset:
        yield f"{name} {rdataset.ttl} IN {kind} {rdata.to_text()}"


def changed(record: SIGNATURES.RRSIG, /, **changes: object) -> SIGNATURES.RRSIG:
    """*record* with other fields."""
    made = record.replace(**changes)
    assert isinstance(made, SIGNATURES.RRSIG)
    return made
