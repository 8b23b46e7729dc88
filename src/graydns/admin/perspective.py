"""remote: makes a coroutine method of a perspective callable from afar.

Perspective: what one logged-in client sees of the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.spread import pb

from graydns.admin.argument_checks import ArgumentSignature, TenantScope, restrict_to_tenant
from graydns.admin.audit_trail import AuditedAction, AuditTrail
from graydns.admin.checkers import AdminIdentity
from graydns.admin.control_interface import ControlInterface, PlainValue
from graydns.admin.paging import ReplyPage, ReplyPages, TextUpload
from graydns.admin.pb_security import AdminRefusedError
from graydns.model.errors import ControlError
from graydns.runtime.twisted_types import Broker

if TYPE_CHECKING:
    pass


METHOD_PREFIX = "perspective_"
_log = Logger()

PerspectiveMethod = Callable[..., Awaitable[PlainValue]]


@frozen
class RemoteMethod:
    """One method. *role*: who may call it. *action*: its name in the audit log, None = changes nothing. *target*: the
    argument that says what is changed.
    """

    method: PerspectiveMethod
    role: str
    scope: TenantScope
    action: str | None
    target: str | None
    signature: ArgumentSignature

    async def call(self, perspective: Perspective, arguments: dict[str, PlainValue]) -> ReplyPage:
        """The first page of what the method gives. Raises AdminRefusedError, and nothing else."""
        try:
            return perspective.pages.start(await self._run(perspective, arguments))
        except ControlError as error:
            raise AdminRefusedError(str(error)) from None
        except AdminRefusedError:
            raise
        except Exception:
            _log.failure("admin call {name} failed", name=self.method.__name__)
            raise AdminRefusedError("internal failure") from None

    async def _run(self, perspective: Perspective, arguments: dict[str, PlainValue]) -> PlainValue:
        who = perspective.identity
        who.require_role(self.role)
        tenant = restrict_to_tenant(self.scope, who, perspective.control, arguments)
        if self.action is None:
            return await self.method(perspective, **arguments)
        target = "" if self.target is None else str(arguments[self.target] or "")
        deed = AuditedAction(self.action, target, arguments, tenant)
        return await perspective.audit_trail.run_audited(who, deed, lambda: self.method(perspective, **arguments))


#: Every method by the name that clients call it.
REMOTE_METHODS: dict[str, RemoteMethod] = {}


def remote_method(
    role: str, scope: TenantScope, action: str | None = None, target: str | None = None
) -> Callable[[PerspectiveMethod], Callable[..., Deferred[ReplyPage]]]:
    """Let those of *role* and above call the method; see Remote. It then gives a Deferred of the first page."""

    def decorate(method: PerspectiveMethod) -> Callable[..., Deferred[ReplyPage]]:
        made = RemoteMethod(method, role, scope, action, target, ArgumentSignature.from_function(method))
        REMOTE_METHODS[method.__name__.removeprefix(METHOD_PREFIX)] = made

        @wraps(method)
        def called(self: Perspective, **arguments: Any) -> Deferred[ReplyPage]:
            return Deferred.fromCoroutine(made.call(self, arguments))

        return called

    return decorate


class Perspective(pb.Avatar):
    """Finds the method that a client calls; the methods are those of the classes for the roles."""

    def __init__(self, identity: AdminIdentity, control: ControlInterface, trail: AuditTrail) -> None:
        self.identity = identity
        self.control = control
        self.audit_trail = trail
        self.pages = ReplyPages()
        self.upload = TextUpload()

    def perspectiveMessageReceived(self, broker: Broker, message: str, args: object, kw: object) -> Any:
        """Call *message*; every call but `more` gives the first page of its reply."""
        if message == "more":
            return broker.serialize(self.pages.next_page(**_MORE_SIGNATURE.read(broker, args, kw)))
        if (found := REMOTE_METHODS.get(message)) is None:
            raise AdminRefusedError(f"no such command: {message}")
        method = getattr(self, METHOD_PREFIX + message, None)
        if method is None:
            self.identity.require_role(found.role)
            raise AdminRefusedError(f"no such command: {message}")
        page: Deferred[ReplyPage] = method(**found.signature.read(broker, args, kw))
        return broker.serialize(page)


_MORE_SIGNATURE = ArgumentSignature.from_function(ReplyPages.next_page)
