"""Perspective: what a client that has logged in can call. OperationDispatcher: runs the operations it calls.

The handlers are for operations that are more than a call of the control plane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import Any

from attrs import evolve, field, frozen
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.spread import pb
from zope.interface import implementer

from graydns.admin.argument_checks import bind_arguments, restrict_to_tenant, unserialize_arguments
from graydns.admin.audit_trail import AuditedAction, AuditTrail
from graydns.admin.authentication import AdminIdentity
from graydns.admin.paging import ReplyPage, ReplyPages, TextUpload
from graydns.admin.pb_security import AdminRefusedError, PlainObject, PlainValue
from graydns.model.errors import ControlError
from graydns.operations import OPERATIONS
from graydns.operations.operation import Argument, Operation, TenantScope, make_signature
from graydns.runtime.twisted_types import Broker


@frozen
class OperationCall:
    """One call. *control*: the control plane. *upload*: the text that the connection has sent in parts so far.

    *target*, *audited*: what the audit log says is changed, and with which arguments.
    """

    operation: Operation
    identity: AdminIdentity
    control: Any
    upload: TextUpload
    arguments: PlainObject
    target: str = ""
    audited: PlainObject = field(factory=dict)


Handler = Callable[[OperationCall], Awaitable[PlainValue]]
Preparer = Callable[[OperationCall], Awaitable[OperationCall]]


async def whoami(call: OperationCall) -> PlainValue:
    """Who the caller is, as it logged in."""
    identity = call.identity
    return {
        "actor": identity.actor,
        "role": identity.role,
        "tenant": identity.tenant,
        "origin": identity.origin,
    }


async def status(call: OperationCall) -> PlainValue:
    """The status of the server; for a user of one tenant only ``tenant_keys``, with the values of that tenant."""
    found: PlainObject = call.control.status()
    if (tenant := call.identity.tenant) is None:
        return found
    zones, services = call.control.zones(tenant), call.control.services(tenant)
    names = {row["name"] for row in services}
    own = found | {
        "zones": len(zones),
        "services": len(services),
        "gray_off": [each for each in found.get("gray_off", ()) if each in (tenant, "*")],
        "drift": [row for row in found.get("drift", ()) if row.get("service") in names and row.get("tenant") == tenant],
    }
    return {key: own[key] for key in call.operation.reply.tenant_keys if key in own}


async def trace_watch(call: OperationCall) -> PlainValue:
    """Start or stop tracing; a user of one tenant does not get the list of all traced names."""
    done: PlainObject = call.control.trace_watch(**call.arguments)
    if call.identity.tenant is not None:
        done = {key: value for key, value in done.items() if key != "names"}
    return done


async def policy_part(call: OperationCall) -> PlainValue:
    """Append to the text that ``policy_push`` publishes."""
    return call.upload.append(**call.arguments)


async def prepare_policy_push(call: OperationCall) -> OperationCall:
    """Join the parts of the text; the audit log gets what identifies the revision instead of the text."""
    activate, base = call.arguments["activate"], call.arguments["base"]
    call.upload.append(call.arguments["parts"], not call.arguments["more"])
    text = call.upload.take()
    named: PlainObject = {}
    with suppress(ControlError):  # policy_push raises it again, and the audit log then has a line for it
        named = await call.control.policy_name(text)
    return evolve(
        call,
        arguments={"text": text, "activate": activate, "base": base},
        target=str(named.get("revision", "")),
        audited={**named, "activate": activate, "base": base},
    )


HANDLERS: Mapping[str, Handler] = {
    "whoami": whoami,
    "status": status,
    "trace_watch": trace_watch,
    "policy_part": policy_part,
}
PREPARERS: Mapping[str, Preparer] = {"policy_push": prepare_policy_push}


@frozen
class OperationDispatcher:
    """Checks role, arguments and tenant of a call, writes the audit log, and calls a handler or the control plane.

    An operation without a handler is the method of *control* with its name, a coroutine or not. It gets the arguments
    and what ``Operation.caller`` lists, all by name.
    """

    control: Any = field(repr=False)
    audit_trail: AuditTrail
    operations: Mapping[str, Operation] = field(default=OPERATIONS, repr=False)
    handlers: Mapping[str, Handler] = field(default=HANDLERS, repr=False)

    async def run(
        self, identity: AdminIdentity, upload: TextUpload, name: str, positional: PlainValue, named: PlainValue
    ) -> PlainValue:
        """The reply of the operation *name*. Raises AdminRefusedError, and whatever the control plane raises."""
        if (operation := self.operations.get(name)) is None:
            raise AdminRefusedError(f"no such command: {name}")
        identity.require_role(operation.role)
        arguments = bind_arguments(operation.signature, positional, named)
        tenant = restrict_to_tenant(operation.scope, identity, self.control, arguments)
        call = OperationCall(operation, identity, self.control, upload, arguments)
        reply = await self._run_audited(call, tenant) if operation.action else await self._call(call)
        if tenant is not None and operation.scope is TenantScope.TENANT and isinstance(reply, list):
            return [row for row in reply if row.get("tenant") == tenant]
        return reply

    async def _run_audited(self, call: OperationCall, tenant: str | None) -> PlainValue:
        operation = call.operation
        if (prepare := PREPARERS.get(operation.name)) is not None:
            call = await prepare(call)
        else:
            target = str(call.arguments[operation.target] or "") if operation.target else ""
            call = evolve(call, target=target, audited=call.arguments)
        action = AuditedAction(operation.action, call.target, call.audited, tenant)
        return await self.audit_trail.run_audited(call.identity, action, lambda: self._call(call))

    async def _call(self, call: OperationCall) -> PlainValue:
        operation = call.operation
        if (handler := self.handlers.get(operation.name)) is not None:
            return await handler(call)
        method = getattr(self.control, operation.name)
        arguments = call.arguments | {name: getattr(call.identity, name) for name in operation.caller}
        if operation.in_thread:
            return await self.audit_trail.defer_to_thread(method, **arguments)
        reply = method(**arguments)
        return await reply if isawaitable(reply) else reply


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
