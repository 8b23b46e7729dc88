"""remote: makes a coroutine method of a perspective callable from afar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.admin.arguments import Shape
from graydns.admin.control import Plain
from graydns.admin.pages import Page
from graydns.admin.scope import Scope, narrow
from graydns.admin.security import Refused
from graydns.admin.trail import Deed
from graydns.model.errors import ControlError

if TYPE_CHECKING:
    from graydns.admin.perspective import Perspective

PREFIX = "perspective_"
_log = Logger()

Method = Callable[..., Awaitable[Plain]]


@frozen
class Remote:
    """One method. *role*: who may call it. *action*: its name in the audit log, None = changes nothing. *target*: the
    argument that says what is changed.
    """

    method: Method
    role: str
    scope: Scope
    action: str | None
    target: str | None
    shape: Shape

    async def page(self, perspective: Perspective, arguments: dict[str, Plain]) -> Page:
        """The first page of what the method gives. Raises Refused, and nothing else."""
        try:
            return perspective.pages.first(await self._run(perspective, arguments))
        except ControlError as error:
            raise Refused(str(error)) from None
        except Refused:
            raise
        except Exception:
            _log.failure("admin call {name} failed", name=self.method.__name__)
            raise Refused("internal failure") from None

    async def _run(self, perspective: Perspective, arguments: dict[str, Plain]) -> Plain:
        who = perspective.identity
        who.require(self.role)
        tenant = narrow(self.scope, who, perspective.control, arguments)
        if self.action is None:
            return await self.method(perspective, **arguments)
        target = "" if self.target is None else str(arguments[self.target] or "")
        deed = Deed(self.action, target, arguments, tenant)
        return await perspective.trail.change(who, deed, lambda: self.method(perspective, **arguments))


#: Every method by the name that clients call it.
REMOTES: dict[str, Remote] = {}


def remote(
    role: str, scope: Scope, action: str | None = None, target: str | None = None
) -> Callable[[Method], Callable[..., Deferred[Page]]]:
    """Let those of *role* and above call the method; see Remote. It then gives a Deferred of the first page."""

    def decorate(method: Method) -> Callable[..., Deferred[Page]]:
        made = Remote(method, role, scope, action, target, Shape.of(method))
        REMOTES[method.__name__.removeprefix(PREFIX)] = made

        @wraps(method)
        def called(self: Perspective, **arguments: Any) -> Deferred[Page]:
            return Deferred.fromCoroutine(made.page(self, arguments))

        return called

    return decorate
