"""Perspective: what a client that has logged in can call. AdminRealm: gives each login a perspective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.spread import pb
from zope.interface import implementer

from graydns.admin.argument_checks import bind_arguments, unserialize_arguments
from graydns.admin.checkers import AdminIdentity
from graydns.admin.dispatcher import OperationDispatcher
from graydns.admin.paging import ReplyPage, ReplyPages, TextUpload
from graydns.admin.pb_security import AdminRefusedError, PlainValue
from graydns.model.errors import ControlError
from graydns.operations.operation import Argument, make_signature
from graydns.runtime.twisted_types import Broker

_MORE_SIGNATURE = make_signature([Argument("cursor", int)])


class Perspective(pb.Avatar):
    """Runs operations for one connection, and splits their replies into pages."""

    _log = Logger()

    def __init__(self, identity: AdminIdentity, dispatcher: OperationDispatcher) -> None:
        self._identity = identity
        self._dispatcher = dispatcher
        self._pages = ReplyPages()
        self._upload = TextUpload()

    def perspectiveMessageReceived(self, broker: Broker, message: str, args: object, kw: object) -> Any:
        """Run the operation *message* and send the first page of its reply; ``more`` sends the next page of one."""
        positional, named = unserialize_arguments(broker, args, kw)
        if message == "more":
            return broker.serialize(self._pages.next_page(**bind_arguments(_MORE_SIGNATURE, positional, named)))
        return broker.serialize(Deferred.fromCoroutine(self._run(message, positional, named)))

    async def _run(self, name: str, positional: PlainValue, named: PlainValue) -> ReplyPage:
        """The first page of the reply. Raises AdminRefusedError, and nothing else."""
        try:
            return self._pages.start(await self._dispatcher.run(self._identity, self._upload, name, positional, named))
        except ControlError as error:
            raise AdminRefusedError(str(error)) from None
        except AdminRefusedError:
            raise
        except Exception:
            self._log.failure("admin call {name} failed", name=name)
            raise AdminRefusedError("internal failure") from None


@implementer(IRealm)
@frozen
class AdminRealm:
    """Gives every login a perspective of its own."""

    dispatcher: OperationDispatcher

    def requestAvatar(
        self, identity: AdminIdentity, mind: object, *interfaces: object
    ) -> tuple[object, Perspective, Callable[[], None]]:
        """The perspective of *identity*. Raises NotImplementedError unless IPerspective is among *interfaces*."""
        if pb.IPerspective not in interfaces:
            raise NotImplementedError("only perspectives are given out")
        return pb.IPerspective, Perspective(identity, self.dispatcher), _log_out


def _log_out() -> None:
    """Do nothing: a perspective holds nothing that outlives its connection."""
