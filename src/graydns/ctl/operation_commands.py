"""The commands of graydnsctl that are one operation of the server each, made from the table of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_origin

import click

from graydns.ctl.cli_context import CliContext, JsonCommand, JsonGroup, print_result, show_progress
from graydns.ctl.output import (
    format_revision,
    print_history,
    print_lines,
    print_status,
    print_table,
    print_validation,
    print_value,
)
from graydns.ctl.parameter_types import (
    DurationParameter,
    NameParameter,
    PairParameter,
    ShareParameter,
    VersionParameter,
    parse_integer,
    to_unique_dict,
)
from graydns.operations import GROUPS
from graydns.operations.operation import REQUIRED, Argument, ArgumentKind, Operation, Reply

#: Prints what people read, where that is not just a table or the fields of an object.
PRINTERS: Mapping[str, Callable[[Any], None]] = {
    "status": print_status,
    "history": print_history,
    "dnssec_explain": print_validation,
    "policy_show": lambda value: print_lines(format_revision(value)),
}

_PARAMETER_TYPES: Mapping[ArgumentKind, Callable[[], click.ParamType[Any]]] = {
    ArgumentKind.SERVICE: lambda: NameParameter("service"),
    ArgumentKind.ZONE: lambda: NameParameter("zone"),
    ArgumentKind.TENANT: lambda: NameParameter("tenant"),
    ArgumentKind.VERSION: VersionParameter,
    ArgumentKind.DURATION: DurationParameter,
    ArgumentKind.PAIRS: PairParameter,
    ArgumentKind.SHARES: ShareParameter,
}

Run = Callable[..., None]


def make_commands(operations: Iterable[Operation], others: Iterable[click.Command] = ()) -> Mapping[str, click.Command]:
    """The commands by their first word: *others*, and one for each of *operations* that they lack."""
    root = click.Group(commands={str(each.name): each for each in others})
    for operation in operations:
        group = root
        for depth, word in enumerate(operation.words[:-1], 1):
            found = group.commands.get(word) or JsonGroup(word, help=GROUPS.get(" ".join(operation.words[:depth])))
            assert isinstance(found, click.Group), operation.command
            group.add_command(found)
            group = found
        if operation.words and operation.words[-1] not in group.commands:
            group.add_command(make_command(operation))
    return root.commands


def make_command(operation: Operation, run: Run | None = None, extra: Iterable[click.Parameter] = ()) -> click.Command:
    """The command of *operation*. *run* gets the CliContext and the arguments; None = call the operation and print its
    reply. *extra*: more parameters.
    """

    @click.pass_obj
    def callback(context: CliContext, /, **values: Any) -> None:
        values |= {each.name: _convert(each, values[each.name]) for each in operation.arguments if each.is_offered}
        if run is not None:
            run(context, **values)
        else:
            call_operation(context, operation, values)

    parameters = [make_parameter(each) for each in operation.arguments if each.is_offered]
    return JsonCommand(operation.words[-1], callback=callback, params=[*parameters, *extra], help=make_help(operation))


def call_operation(context: CliContext, operation: Operation, arguments: Mapping[str, Any]) -> None:
    """Call *operation* and print its reply."""
    with show_progress(operation.progress):
        value = context.call(operation.name, **arguments)
    printer = PRINTERS.get(operation.name)
    print_result(value, printer or (lambda value: print_reply(operation.reply, value)))


def print_reply(reply: Reply, value: Any) -> None:
    """Print *value*, which has the shape *reply*: a list as a table, an object as its fields."""
    if isinstance(value, list) and value:
        print_table(value, reply.columns)
    else:
        print_value(reply.empty_text if value == [] and reply.empty_text else value)


def make_help(operation: Operation) -> str:
    """The help of the command of *operation*."""
    return "\n\n".join(filter(None, (operation.summary, operation.details)))


def make_parameter(argument: Argument) -> click.Parameter:
    """The option or positional argument of a command that *argument* is."""
    default = argument.default if argument.cli_default is None else argument.cli_default
    attributes: dict[str, Any] = {"type": _make_type(argument), "required": default is REQUIRED}
    if has_default := not (default is REQUIRED or default is None or default is False):
        attributes["default"] = default
    if not argument.option:
        metavar = argument.metavar or (argument.usage if argument.kind is ArgumentKind.SERVICE else None)
        count = -1 if argument.kind is ArgumentKind.SHARES else 1
        return click.Argument([argument.name], metavar=metavar, nargs=count, **attributes)
    is_list = argument.kind is ArgumentKind.PAIRS or get_origin(argument.type) is list
    return click.Option(
        [argument.option, argument.name],
        help=argument.help or None,
        metavar=argument.metavar or None,
        is_flag=argument.type is bool,
        multiple=is_list,
        show_default=has_default and default != "",
        **attributes | ({"required": False} if is_list else {}),
    )


def _make_type(argument: Argument) -> Any:
    if argument.kind in _PARAMETER_TYPES:
        return _PARAMETER_TYPES[argument.kind]()
    if argument.choices:
        return click.Choice(argument.choices)
    if argument.bounds is not None:
        return click.IntRange(*argument.bounds)
    return {int: int, bool: bool}.get(argument.type, str)


def _convert(argument: Argument, value: Any) -> Any:
    """*value* as click parsed it, in the type of *argument*. Raises click.UsageError."""
    if argument.kind is ArgumentKind.RDTYPE:
        return value.upper()
    if argument.kind is ArgumentKind.PAIRS:
        return to_unique_dict(value) or None
    if argument.kind is ArgumentKind.SHARES:
        if argument.type == dict[str, int]:
            value = tuple((version, parse_integer(weight)) for version, weight in value)
        return to_unique_dict(value)
    return list(value) if isinstance(value, tuple) else value
