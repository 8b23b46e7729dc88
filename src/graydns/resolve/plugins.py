"""Links and resolvers of other packages, which graydns.yaml names: found by object reference or entry point."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

from graydns.config.issues import ValidationIssue
from graydns.config.settings import LinkSettings, UpstreamSettings

FactoryT = TypeVar("FactoryT")

#: The group of entry points that names link factories.
ENTRY_POINT_GROUP = "graydns.links"


def load_object(reference: str) -> Any:
    """The object at *reference*, ``package.module:name``. Raises ValueError that says what is missing."""
    module_name, _, attribute = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise ValueError(f"the module {module_name!r} cannot be imported: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module_name!r} has no {attribute!r}{suggest(part, dir(found))}")
        found = getattr(found, part)
    return found


@cache
def load_factory(use: str) -> Callable[..., Any]:
    """The factory that *use* names: an object reference if it has a colon, else an entry point. Raises ValueError."""
    if ":" not in use:
        entry_points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
        if use not in entry_points:
            raise ValueError(f"no installed package has the entry point {use!r}{suggest(use, list(entry_points))}")
        use = entry_points[use].value.partition("[")[0].strip()
    factory = load_object(use)
    if not callable(factory):
        raise ValueError(f"{use!r} is not callable")
    made: Callable[..., Any] = factory
    return made


def suggest(name: str, known: Sequence[str]) -> str:
    """The most similar of *known* names as the end of a message; empty if none is similar."""
    similar = get_close_matches(name, known, 1)
    return f" (did you mean {similar[0]!r}?)" if similar else ""


def check_links(links: Sequence[LinkSettings], names: Sequence[str]) -> Iterator[ValidationIssue]:
    """Yield links that cannot be loaded, and places that are not among *names*; paths start at the main file."""
    for index, link in enumerate(links):
        try:
            load_factory(link.use)
        except ValueError as error:
            expected = f"package.module:factory, or the name of an entry point of group {ENTRY_POINT_GROUP}"
            yield ValidationIssue(("links", index, "use"), f"{link.use!r} ({error})", expected)
        if link.before not in names:
            found = f"{link.before!r}{suggest(link.before, names)}"
            yield ValidationIssue(("links", index, "before"), found, f"one of {', '.join(dict.fromkeys(names))}")


def check_resolvers(upstreams: Mapping[str, UpstreamSettings]) -> Iterator[ValidationIssue]:
    """Yield factories of resolvers that cannot be loaded; paths start at the main file."""
    for name, upstream in upstreams.items():
        if upstream.resolver is not None:
            try:
                load_factory(upstream.resolver)
            except ValueError as error:
                found = f"{upstream.resolver!r} ({error})"
                yield ValidationIssue(("upstreams", name, "resolver"), found, "package.module:factory")


def insert_links(
    chain: Sequence[tuple[str, FactoryT]], links: Sequence[LinkSettings], load: Callable[[str], FactoryT]
) -> list[tuple[str, FactoryT]]:
    """*chain* with each of *links* before the first link that it names; equal places in the order of the file."""
    made = list(chain)
    for link in links:
        index = next(at for at, (name, _) in enumerate(made) if name.lower() == link.before)
        made.insert(index, (link.use, load(link.use)))
    return made
