"""The shell, typed into through prompt_toolkit's own pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from twisted.internet.epollreactor import EPollReactor

from graydns.ctl.admin_client import BlockingAdminClient
from graydns.ctl.admin_endpoint import AdminLogin, UnixAdminEndpoint
from graydns.ctl.cli_context import CliContext
from graydns.ctl.main import shell_group
from graydns.ctl.shell import ShellCompleter, run_prompt
from tests.ctl.conftest import Server


@pytest.fixture
def context(server: Server) -> Iterator[CliContext]:
    """A context with an open connection, on a reactor of its own."""
    reactor = EPollReactor()
    made = CliContext(session=BlockingAdminClient(UnixAdminEndpoint(server.socket), AdminLogin(), reactor))
    yield made
    made.close()


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PipeInput]:
    """What is sent to it is typed; the history goes to a folder of the test's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with create_pipe_input() as pipe:
        yield pipe


def run(context: CliContext, keyboard: PipeInput, typed: str, as_json: bool = False) -> int:
    """The shell's status after *typed*."""
    keyboard.send_text(typed)
    with create_app_session(input=keyboard, output=DummyOutput()):
        return run_prompt(context, shell_group, as_json)


@pytest.mark.integration
def test_lines_are_run_until_exit(context: CliContext, keyboard: PipeInput, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that fails does not end the shell."""
    typed = "whoami\nhistory rollback 3\nnope\nstatus 'x\n--json whoami\nhelp service percent\nexit\nzones\n"
    assert run(context, keyboard, typed) == 0
    printed = capsys.readouterr()
    assert "actor" in printed.out
    assert '{"ok": true' in printed.out
    assert "VERSION=PERCENT" in printed.out
    assert "farm.test" not in printed.out
    assert "no snapshot 3" in printed.err
    assert "No such command 'nope'" in printed.err
    assert "No closing quotation" in printed.err


@pytest.mark.integration
def test_the_shell_prints_json_if_started_with_it(
    context: CliContext, keyboard: PipeInput, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command does."""
    run(context, keyboard, "whoami\nquit\n", as_json=True)
    assert '{"ok": true' in capsys.readouterr().out


@pytest.mark.integration
def test_the_history_has_mode_0600(context: CliContext, keyboard: PipeInput, tmp_path: Path) -> None:
    """It is below the state folder, and its lines come back with the arrow key."""
    run(context, keyboard, "whoami\nexit\n")
    history = tmp_path / "state/graydnsctl/history"
    assert "+whoami" in history.read_text()
    assert os.stat(history).st_mode & 0o777 == 0o600
    run(context, keyboard, "\x1b[A\x1b[A\nexit\n")
    assert history.read_text().count("+whoami") == 2


@pytest.mark.integration
def test_interrupt_drops_the_line_and_end_of_file_ends(
    context: CliContext, keyboard: PipeInput, capsys: pytest.CaptureFixture[str]
) -> None:
    """^C and ^D."""
    assert run(context, keyboard, "zones\x03whoami\n\x04") == 0
    out = capsys.readouterr().out
    assert "actor" in out
    assert "farm.test" not in out


@pytest.mark.integration
def test_watch_repeats_until_a_key_is_pressed(
    context: CliContext, keyboard: PipeInput, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key pressed before ends it after the first run, and is not part of the next line."""
    run(context, keyboard, "watch --every 30 whoami\nqexit\n")
    assert capsys.readouterr().out.count("actor") == 1


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sta", {"status"}),
        ("he", {"help"}),
        ("", {"status", "service", "help", "exit", "watch"}),
        ("service per", {"percent"}),
        ("service percent ", {"api.shop.test", "web.farm.test"}),
        ("service percent api", {"api.shop.test"}),
        ("service percent api.shop.test ", {"stable=", "canary="}),
        ("service percent api.shop.test can", {"canary="}),
        ("service whitelist api.shop.test s", {"stable"}),
        ("service percent api.shop.test canary=1 --f", {"--for"}),
        ("reload --prune ", {"shop.test", "farm.test"}),
        ("zones --tenant t-s", {"t-shop"}),
        ("log level d", {"debug"}),
        ("watch service sh", {"show"}),
        ("help gray o", {"off", "on"}),
        ("status 'x", set()),
    ],
)
def test_commands_options_and_names_are_completed(typed: str, offered: set[str], context: CliContext) -> None:
    """The names come from the server."""
    words = {
        each.text for each in ShellCompleter(context, shell_group).get_completions(Document(typed), CompleteEvent())
    }
    assert offered <= words
    if typed:
        assert words == offered


def test_completion_without_a_server_offers_no_names(tmp_path: Path) -> None:
    """And prints no error."""
    context = CliContext(connect="nonsense")
    assert list(ShellCompleter(context, shell_group).get_completions(Document("service show "), CompleteEvent())) == []
