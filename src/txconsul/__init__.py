"""Consul from Twisted: requests, py-consul's API modules, and watches over blocking queries."""

from txconsul.client import ConsulClient
from txconsul.reply import (
    ConsulClosedError,
    ConsulError,
    ConsulNotFoundError,
    ConsulReply,
    ConsulServerError,
    ConsulStatusError,
    ConsulTimeoutError,
    ConsulUnreachableError,
    MalformedReplyError,
    NoLeaderError,
    PermissionDeniedError,
    RequestRefusedError,
    TokenUnreadableError,
    TooManyHeldQueriesError,
)
from txconsul.watch import ConsulWatch, watch

__all__ = [
    "ConsulClient",
    "ConsulClosedError",
    "ConsulError",
    "ConsulNotFoundError",
    "ConsulReply",
    "ConsulServerError",
    "ConsulStatusError",
    "ConsulTimeoutError",
    "ConsulUnreachableError",
    "ConsulWatch",
    "MalformedReplyError",
    "NoLeaderError",
    "PermissionDeniedError",
    "RequestRefusedError",
    "TokenUnreadableError",
    "TooManyHeldQueriesError",
    "watch",
]
