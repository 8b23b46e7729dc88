"""Makes ``twistd graydns`` known to Twisted; the work is in :mod:`graydns.tap`."""

from twisted.application.service import ServiceMaker

graydns = ServiceMaker(  # type: ignore[no-untyped-call]
    "graydns",
    "graydns.tap",
    "A DNS server that decides, per client, which version of a service answers.",
    "graydns",
)
