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

from graydns.ctl.line import line, run_line
from graydns.ctl.output import complain, say
from graydns.ctl.tool import Tool
from graydns.model.text import printable

ENDS = ("exit", "quit")
SHELL_WORDS = ("help", *ENDS)

WELCOME = "graydns at {}. `help` lists the commands, `help COMMAND` explains one, `exit` ends."


def run_shell(tool: Tool, as_json: bool = False) -> int:
    """Read and run commands; from standard input if that is no terminal. The exit status."""
    return run_prompt(tool, as_json) if sys.stdin.isatty() else run_lines(sys.stdin, tool, as_json)


def run_prompt(tool: Tool, as_json: bool = False) -> int:
    """Read commands from the keyboard."""
    say(WELCOME.format(tool.where))
    run_lines(prompted(tool), tool, as_json)
    return 0


def run_lines(texts: Iterable[str], tool: Tool, as_json: bool = False) -> int:
    """Run each line of *texts*; 0, or the status of the last that failed."""
    failed = 0
    for text in texts:
        words = split(text)
        if not words:
            continue
        if words[0] in ENDS:
            break
        if words[0] == "help":
            words = [*words[1:], "--help"]
        failed = run_line(["--json", *words] if as_json else words, tool) or failed
    return failed


def split(text: str) -> list[str]:
    """The words of a line; none where it is empty, a comment, or its quotes do not end."""
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        complain(f"{error}")
        return []


def prompted(tool: Tool) -> Iterator[str]:
    """What the user types, until end of file."""
    session: PromptSession[str] = PromptSession(
        history=history(), completer=Words(tool), complete_in_thread=True, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt("graydns> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def history() -> History:
    """Where lines are kept: ``graydnsctl/history`` in the user's state folder (XDG), for the user alone."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "graydnsctl"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(folder / "history", os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(folder / "history")


class Words(Completer):
    """Offers commands, options, and names that the server knows."""

    def __init__(self, tool: Tool) -> None:
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
        offers = ShellComplete(line, {"obj": self._tool}, "", "").get_completions(words, incomplete)
        for offer in offers:
            text = printable(str(offer.value))
            yield Completion(text, -len(incomplete), display_meta=printable(offer.help or ""))
