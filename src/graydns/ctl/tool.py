"""Tool: what every command has at hand: the way to the server, and how the user wants to read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import click
from attrs import define, field

from graydns.ctl.names import Names
from graydns.ctl.output import complain, emit
from graydns.ctl.place import TlsPlace, configured, parse_place
from graydns.ctl.quick import load_reactor

#: Key of a click context's ``meta``: the user wants JSON.
JSON = "graydns.json"

PASSWORD_VARIABLE = "GRAYDNSCTL_PASSWORD"


class Calls(Protocol):
    """Somebody who can call the server."""

    def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """What *command* gives."""

    def close(self) -> None:
        """No more calls."""


class Failure(click.ClickException):
    """Refused or wrong: exit status 1."""

    exit_code = 1

    def __init__(self, text: str, as_json: bool) -> None:
        super().__init__(text)
        self.as_json = as_json

    def show(self, file: Any = None) -> None:
        """Say so, in the form that the user reads."""
        if self.as_json:
            emit({"ok": False, "error": self.message})
        else:
            for line in self.message.split("\n"):
                complain(line)


@define
class Tool:
    """*connect*: None = as ./graydns.yaml says. The others: see ``ctl.link.Login``."""

    connect: str | None = None
    user: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    names: Names | None = None
    _session: Calls | None = field(default=None, alias="session")

    def call(self, command: str, **arguments: Any) -> Any:
        """What the server gives. Raises Failure; may ask for a password first."""
        if self._session is None:
            self._session = self._open()

        from graydns.ctl.link import LinkError

        try:
            return self._session.call(command, arguments)
        except LinkError as error:
            raise Failure(str(error), wants_json()) from None

    def close(self) -> None:
        """Let go of the server."""
        if self._session is not None:
            self._session.close()
            self._session = None

    @property
    def where(self) -> str:
        """The server, for people."""
        return self.connect or configured("admin")

    def _open(self) -> Calls:
        try:
            place = parse_place(self.where)
        except ValueError as error:
            raise Failure(str(error), wants_json()) from None
        password = None
        if isinstance(place, TlsPlace):
            if self.user is None:
                raise Failure(f"{place} asks for a name: --user NAME", wants_json())
            password = _password(self.user)
        else:
            load_reactor()

        from graydns.ctl.link import Login
        from graydns.ctl.session import Session

        return Session(place, Login(self.user, password, self.ca, self.certificate, self.key))


def _password(user: str) -> str:
    if (known := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return known
    answer: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return answer


class Command(click.Command):
    """A command with ``--json`` after its name as well as before it."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params.append(json_option())


class Group(click.Group):
    """A group of Commands."""

    command_class = Command


def json_option() -> click.Option:
    """``--json``, which :func:`wants_json` then knows of."""
    text = "Print one JSON object instead of lines and tables."
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=_remember, help=text)


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[JSON] = True


def wants_json() -> bool:
    """Whether the command that runs now prints JSON."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(JSON))


def tell(value: Any, show: Callable[[Any], None]) -> None:
    """Print what a command gave: as ``{"ok": true, "result": …}`` or by *show*."""
    if wants_json():
        emit({"ok": True, "result": value})
        return
    show(value)
    if isinstance(value, Mapping) and (warning := value.get("warning")):
        complain(f"warning: {warning}")


def progress(text: str) -> AbstractContextManager[Any]:
    """Show on a terminal that work goes on; nothing elsewhere."""
    if wants_json() or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)
