"""The shell of graydnsctl: commands over one connection, with history, completion and help."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import ShellComplete
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from graydns.ctl.cli_context import CliContext, run_line
from graydns.ctl.output import print_error, print_line
from graydns.model.errors import printable

EXIT_WORDS = ("exit", "quit")
SHELL_WORDS = ("help", *EXIT_WORDS)

BANNER = "graydns at {}. `help` lists the commands, `help COMMAND` explains one, `exit` ends."


def run_shell(context: CliContext, group: click.Group, as_json: bool = False) -> int:
    """Run commands of *group* from the keyboard, or else from standard input. Returns the exit status."""
    return run_prompt(context, group, as_json) if sys.stdin.isatty() else run_lines(sys.stdin, context, group, as_json)


def run_prompt(context: CliContext, group: click.Group, as_json: bool = False) -> int:
    """Run commands from the keyboard. Returns the exit status."""
    print_line(BANNER.format(context.endpoint_text))
    run_lines(read_prompt(context, group), context, group, as_json)
    return 0


def run_lines(texts: Iterable[str], context: CliContext, group: click.Group, as_json: bool = False) -> int:
    """Run each line of *texts*. Returns 0, or the exit status of the last that failed."""
    failed = 0
    for text in texts:
        words = split_words(text)
        if not words:
            continue
        if words[0] in EXIT_WORDS:
            break
        if words[0] == "help":
            words = [*words[1:], "--help"]
        failed = run_line(group, ["--json", *words] if as_json else words, context) or failed
    return failed


def split_words(text: str) -> list[str]:
    """The words of a line; none if it is empty, a comment, or has a quote that is not closed."""
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        print_error(f"{error}")
        return []


def read_prompt(context: CliContext, group: click.Group) -> Iterator[str]:
    """The lines that the user types, until end of file."""
    session: PromptSession[str] = PromptSession(
        history=open_history(),
        completer=ShellCompleter(context, group),
        complete_in_thread=True,
        complete_while_typing=False,
    )
    while True:
        try:
            yield session.prompt("graydns> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def open_history() -> History:
    """The file ``graydnsctl/history`` in the user's state folder (XDG), with mode 0600; in memory if that fails."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "graydnsctl"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(folder / "history", os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(folder / "history")


class ShellCompleter(Completer):
    """Completes commands, options, and names that the server knows."""

    def __init__(self, context: CliContext, group: click.Group) -> None:
        self._context = context
        self._group = group

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The completions of the word before the cursor."""
        before = document.text_before_cursor
        try:
            words = shlex.split(before)
        except ValueError:
            return
        incomplete = "" if not words or before[-1].isspace() else words.pop()
        if words[:1] in (["help"], ["watch"]):
            del words[0]
        elif not words:
            yield from (Completion(word, -len(incomplete)) for word in SHELL_WORDS if word.startswith(incomplete))
        offers = ShellComplete(self._group, {"obj": self._context}, "", "").get_completions(words, incomplete)
        for offer in offers:
            text = printable(str(offer.value))
            yield Completion(text, -len(incomplete), display_meta=printable(offer.help or ""))
