"""Consul from Twisted: requests, py-consul's API modules, and watches over blocking queries."""

from txconsul import errors
from txconsul.consul import Consul
from txconsul.reply import Reply
from txconsul.watch import Watch, watch

__all__ = ["Consul", "Reply", "Watch", "errors", "watch"]
