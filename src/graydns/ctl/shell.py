"""The shell: commands one after the other over one connection, with history, completion and help."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from click.shell_completion import ShellComplete
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from graydns.ctl.cli_context import CliContext
from graydns.ctl.main import run_line, shell_group
from graydns.ctl.output import print_error, print_line
from graydns.model.text import printable

EXIT_WORDS = ("exit", "quit")
SHELL_WORDS = ("help", *EXIT_WORDS)

BANNER = "graydns at {}. `help` lists the commands, `help COMMAND` explains one, `exit` ends."


def run_shell(tool: CliContext, as_json: bool = False) -> int:
    """Read and run commands; from standard input if that is no terminal. The exit status."""
    return run_prompt(tool, as_json) if sys.stdin.isatty() else run_lines(sys.stdin, tool, as_json)


def run_prompt(tool: CliContext, as_json: bool = False) -> int:
    """Read commands from the keyboard."""
    print_line(BANNER.format(tool.endpoint_text))
    run_lines(read_prompt(tool), tool, as_json)
    return 0


def run_lines(texts: Iterable[str], tool: CliContext, as_json: bool = False) -> int:
    """Run each line of *texts*; 0, or the status of the last that failed."""
    failed = 0
    for text in texts:
        words = split_words(text)
        if not words:
            continue
        if words[0] in EXIT_WORDS:
            break
        if words[0] == "help":
            words = [*words[1:], "--help"]
        failed = run_line(["--json", *words] if as_json else words, tool) or failed
    return failed


def split_words(text: str) -> list[str]:
    """The words of a line; none where it is empty, a comment, or its quotes do not end."""
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        print_error(f"{error}")
        return []


def read_prompt(tool: CliContext) -> Iterator[str]:
    """What the user types, until end of file."""
    session: PromptSession[str] = PromptSession(
        history=open_history(), completer=ShellCompleter(tool), complete_in_thread=True, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt("graydns> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def open_history() -> History:
    """Where lines are kept: ``graydnsctl/history`` in the user's state folder (XDG), for the user alone."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "graydnsctl"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(folder / "history", os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(folder / "history")


class ShellCompleter(Completer):
    """Offers commands, options, and names that the server knows."""

    def __init__(self, tool: CliContext) -> None:
        self._tool = tool

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What the word before the cursor may become."""
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
        offers = ShellComplete(shell_group, {"obj": self._tool}, "", "").get_completions(words, incomplete)
        for offer in offers:
            text = printable(str(offer.value))
            yield Completion(text, -len(incomplete), display_meta=printable(offer.help or ""))
