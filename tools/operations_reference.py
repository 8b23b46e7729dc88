"""Write the tables of operations in docs/admin.md: ``python -m tools.operations_reference``, or ``make docs``.

They stand between ``<!-- operations: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from graydns.operations import OPERATIONS
from graydns.operations.operation import CHANGE, Argument, Operation, Reply, TenantScope

PAGE = Path(__file__).parents[1] / "docs/admin.md"
SECTION = re.compile(r"(<!-- operations: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def format_command_table(operations: Iterable[Operation]) -> str:
    """The commands: usage, least role, whether users of one tenant may, and what the command does."""
    rows = (
        [
            f"`{format_usage(each)}`",
            f"`{each.role}`",
            "no" if each.scope is TenantScope.SERVER else "yes",
            " ".join(describe_command(each)),
        ]
        for each in operations
        if each.command
    )
    return format_table(["command", "role", "one tenant", ""], rows)


def format_usage(operation: Operation) -> str:
    """The command of *operation* with its positional arguments."""
    positional = (each.usage for each in operation.arguments if each.is_offered and not each.option)
    return " ".join((operation.command, *positional))


def describe_command(operation: Operation) -> Iterator[str]:
    """Sentences on what *operation* does, and its options."""
    yield operation.summary
    if operation.details:
        yield operation.details
    if operation.docs:
        yield operation.docs
    for argument in operation.arguments:
        if argument.is_offered and argument.option:
            yield f"`{argument.usage}`: {describe_option(argument)}"


def describe_option(argument: Argument) -> str:
    """What an option means, and its default."""
    default = argument.cli_default or argument.default
    text = argument.help.rstrip(".") or argument.name
    return f"{text} (default {default})." if type(default) in (str, int) and default else f"{text}."


def format_reply_table(operations: Iterable[Operation]) -> str:
    """The replies, as ``--json`` prints them. Operations whose reply is CHANGE share one row."""
    rows = [["what changes something", describe_reply(CHANGE)]]
    for operation in operations:
        if operation.command and operation.reply is not CHANGE:
            rows.append([f"`{operation.command}`", describe_reply(operation.reply)])
            rows += (
                [f"`{operation.command}`, its `{key}`", describe_reply(part)]
                for key, part in operation.reply.parts.items()
                if not part.is_list
            )
    return format_table(["command", "`result`"], rows)


def describe_reply(reply: Reply) -> str:
    """The shape of *reply* in words."""
    kind = ("list" if reply.is_list else "object") + (f", {reply.order}" if reply.order else "")
    if not reply.keys:
        return f"{kind}: {reply.note}" if reply.note else f"{kind} of objects"
    text = f"{kind}: {format_keys(reply)}"
    for key, part in reply.parts.items():
        if part.is_list:
            note = f" ({part.note})" if part.note else ""
            text += f". Of `{key}`, each: {format_keys(part)}{note}"
    if reply.tenant_keys:
        text += f". For users of one tenant: {', '.join(f'`{key}`' for key in reply.tenant_keys)}"
    return text if not reply.note else f"{text}; {reply.note}"


def format_keys(reply: Reply) -> str:
    """The keys of *reply*, with their meanings in brackets."""
    keys = (f"`{key}` ({reply.meanings[key]})" if key in reply.meanings else f"`{key}`" for key in reply.keys)
    return ", ".join(keys)


def format_table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table in Markdown."""
    lines = (" | ".join(cell.replace("|", r"\|") for cell in row) for row in [head, *rows])
    first, *rest = (f"| {line} |" for line in lines)
    return "\n".join([first, "|" + "---|" * len(head), *rest]) + "\n"


TABLES: Mapping[str, Callable[[Iterable[Operation]], str]] = {
    "commands": format_command_table,
    "replies": format_reply_table,
}


def update_page(text: str, operations: Iterable[Operation] = OPERATIONS.values()) -> str:
    """*text* with the tables between its markers made anew."""
    listed = list(operations)
    return SECTION.sub(lambda match: match[1] + TABLES[match[2]](listed), text)


if __name__ == "__main__":
    PAGE.write_text(update_page(PAGE.read_text()))
