"""Services with more instances than an answer has room for: said once, as clients cannot see that some are missing."""

from __future__ import annotations

from attrs import define, field
from twisted.logger import Logger

from graydns.model.catalog import CRITICAL, ServiceView
from graydns.wire.answer_body import MAX_RECORDS_BYTES, RECORD_OVERHEAD_BYTES

#: Instances of which every address is in an answer, if each is IPv4.
MOST = MAX_RECORDS_BYTES // (RECORD_OVERHEAD_BYTES + 4)

_log = Logger()


@define(eq=False)
class Crowds:
    """Hears what Consul says of services."""

    _crowded: set[str] = field(init=False, factory=set)

    def hear(self, view: ServiceView) -> None:
        """Warn of a service that has become too large; again only once it has fitted meanwhile."""
        count = sum(one.status != CRITICAL for one in view.instances)
        if count <= MOST:
            self._crowded.discard(view.name)
        elif view.name not in self._crowded:
            self._crowded.add(view.name)
            _log.warn(
                "{service} has {count} instances: an answer has room for {most} IPv4 addresses, fewer of other records",
                service=repr(view.name),
                count=count,
                most=MOST,
            )
