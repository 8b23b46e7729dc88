"""CliContext: the options and the connection of one run of graydnsctl. How results are printed, with ``--json`` too.

On a Unix socket the reactor is loaded without OpenSSL, which takes a quarter of the time of a command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import click
from attrs import Factory, define, field

from graydns.ctl.admin_endpoint import (
    AdminClientError,
    AdminLogin,
    TlsAdminEndpoint,
    parse_endpoint,
    read_configured,
)
from graydns.ctl.output import print_error, print_json
from graydns.ctl.parameter_types import NameCompletions


def load_reactor_without_tls() -> None:
    """Load the reactor, if it is not loaded yet. TLS can still be loaded later, and works with this reactor."""
    if "twisted.internet.tcp" in sys.modules or "OpenSSL" in sys.modules:
        return
    # None makes the import fail, which Twisted treats as "not installed".
    sys.modules["OpenSSL"] = None  # type: ignore[assignment]
    try:
        import twisted.internet.reactor  # noqa: F401
    finally:
        del sys.modules["OpenSSL"]


#: Key in the ``meta`` of a click context: True if the output is JSON.
JSON = "graydns.json"

PASSWORD_VARIABLE = "GRAYDNSCTL_PASSWORD"


class OperationCaller(Protocol):
    """A connection to the server."""

    def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """The reply of operation *command*."""

    def close(self) -> None:
        """Close the connection."""


class CommandError(click.ClickException):
    """The command was refused or failed: exit status 1."""

    exit_code = 1

    def __init__(self, text: str, as_json: bool) -> None:
        super().__init__(text)
        self.as_json = as_json

    def show(self, file: Any = None) -> None:
        """Print the message: as JSON with ``--json``, else one error line for each of its lines."""
        if self.as_json:
            print_json({"ok": False, "error": self.message})
        else:
            for line in self.message.split("\n"):
                print_error(line)


@define
class CliContext:
    """The options and the connection of one run. *connect*: None = ``admin`` of ./graydns.yaml. Others: AdminLogin."""

    connect: str | None = None
    user: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    _client: OperationCaller | None = field(default=None, alias="session")
    completions: NameCompletions = field(
        init=False, repr=False, default=Factory(lambda self: NameCompletions(self.call), takes_self=True)
    )

    def call(self, command: str, **arguments: Any) -> Any:
        """Return the reply of operation *command*. Raises CommandError; may prompt for a password first."""
        if self._client is None:
            self._client = self._open()

        try:
            return self._client.call(command, arguments)
        except AdminClientError as error:
            raise CommandError(str(error), wants_json()) from None

    def close(self) -> None:
        """Close the connection, if one was made."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def endpoint_text(self) -> str:
        """The endpoint as written by the user or in graydns.yaml."""
        return self.connect or read_configured("admin")

    def _open(self) -> OperationCaller:
        try:
            endpoint = parse_endpoint(self.endpoint_text)
        except ValueError as error:
            raise CommandError(str(error), wants_json()) from None
        password = None
        if isinstance(endpoint, TlsAdminEndpoint):
            if self.user is None:
                raise CommandError(f"{endpoint} needs a user: --user NAME", wants_json())
            password = _read_login_password(self.user)
        else:
            load_reactor_without_tls()

        from graydns.ctl.admin_client import BlockingAdminClient

        return BlockingAdminClient(endpoint, AdminLogin(self.user, password, self.ca, self.certificate, self.key))


def _read_login_password(user: str) -> str:
    if (known := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return known
    answer: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return answer


class JsonCommand(click.Command):
    """A command that also accepts ``--json`` after its name."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params.append(json_option())


class JsonGroup(click.Group):
    """A group whose commands are each a JsonCommand."""

    command_class = JsonCommand


def json_option() -> click.Option:
    """The option ``--json``; :func:`wants_json` returns whether it was given."""
    text = "Print one JSON object instead of lines and tables."
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=_set_json, help=text)


def _set_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[JSON] = True


def wants_json() -> bool:
    """Whether the running command prints JSON."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(JSON))


def print_result(value: Any, show: Callable[[Any], None]) -> None:
    """Print the result of a command: ``{"ok": true, "result": …}`` with ``--json``, else with *show*."""
    if wants_json():
        print_json({"ok": True, "result": value})
        return
    show(value)
    if isinstance(value, Mapping) and (warning := value.get("warning")):
        print_error(f"warning: {warning}")


def show_progress(text: str) -> AbstractContextManager[Any]:
    """Show *text* and a spinner on a terminal until the end of the context; nothing elsewhere."""
    if wants_json() or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def run_line(group: click.Group, words: list[str], context: CliContext) -> int:
    """Run the command *words* of *group*, print its errors, and return its exit status."""
    try:
        done = group.main(words, prog_name="", standalone_mode=False, obj=context)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    return done if isinstance(done, int) else 0
