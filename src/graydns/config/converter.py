"""A cattrs converter that types what ``config.document`` read and reports everything that does not fit.

Three things are added to cattrs: readers in ``Annotated`` types, lists and mappings that refuse other
shapes, and classes whose unknown and missing keys are named and whose faults do not hide each other.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin

import attrs
from attrs import frozen
from cattrs import Converter
from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from graydns.config.misfit import Gathering, Misfit, Misfits, misfits, shown

Hook: TypeAlias = Callable[[Any, Any], Any]

#: Checks a whole object, given the keys whose values were wrong and now stand at their defaults.
Check: TypeAlias = Callable[[Any, Collection[str]], Iterable[Misfit]]


def new_converter() -> Converter:
    """A converter that knows readers, lists, mappings and "or null", and no classes yet."""
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook_factory(is_list)(list_factory)
    converter.register_structure_hook_factory(is_mapping)(mapping_factory)
    converter.register_structure_hook_factory(is_optional)(optional_factory)
    converter.register_structure_hook_factory(has_reader)(reader_factory)
    return converter


def has_reader(kind: object) -> bool:
    """Whether *kind* is ``Annotated`` with something to call."""
    return get_origin(kind) is Annotated and callable(get_args(kind)[1])


def is_list(kind: object) -> bool:
    """Whether *kind* is ``tuple[X, ...]``."""
    return get_origin(kind) is tuple


def is_mapping(kind: object) -> bool:
    """Whether *kind* is ``Mapping[K, V]``."""
    return get_origin(kind) is Mapping


def is_optional(kind: object) -> bool:
    """Whether *kind* is ``X | None``."""
    return type(None) in get_args(kind)


def reader_factory(kind: object, _converter: Converter) -> Hook:
    """A hook that calls the reader of *kind*."""
    reader = get_args(kind)[1]
    return lambda value, _: reader(value)


def optional_factory(kind: object, converter: Converter) -> Hook:
    """A hook for "null or what the other type takes"."""
    args = [arg for arg in get_args(kind) if arg is not type(None)]
    inner_kind = args[0]
    inner: Hook = converter.get_structure_hook(inner_kind)
    return lambda value, _: None if value is None else inner(value, inner_kind)


def list_factory(kind: object, converter: Converter) -> Hook:
    """A hook for ``tuple[X, ...]``; a lone text counts as a list of one."""
    item_kind = get_args(kind)[0]
    item_hook: Hook = converter.get_structure_hook(item_kind)

    def read_list(value: object, _: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            return (item_hook(value, item_kind),)
        if not isinstance(value, list):
            raise misfits(value, "a list ([] for an empty one)")
        items, wrong = [], Gathering()
        for index, item in enumerate(value):
            try:
                items.append(item_hook(item, item_kind))
            except Misfits as error:
                wrong.extend(misfit.under(index) for misfit in error.misfits)
        wrong.close()
        return tuple(items)

    return read_list


def mapping_factory(kind: object, converter: Converter) -> Hook:
    """A hook for ``Mapping[K, V]``, in the file's order; two spellings of one key are a misfit."""
    key_kind, value_kind = get_args(kind)
    key_hook: Hook = converter.get_structure_hook(key_kind)
    value_hook: Hook = converter.get_structure_hook(value_kind)

    def read_mapping(value: object, _: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise misfits(value, "a mapping ({} for an empty one)")
        items: dict[Any, Any] = {}
        wrong = Gathering()
        for text, item in value.items():
            try:
                key = key_hook(text, key_kind)
            except Misfits as error:
                wrong.extend(Misfit((text,), misfit.found, misfit.expected, True) for misfit in error.misfits)
                continue
            if key in items:
                wrong.append(Misfit((text,), f"{shown(text)} again in another spelling", "each name once", True))
            with wrong.at(text):
                items[key] = value_hook(item, value_kind)
        wrong.close()
        return items

    return read_mapping


@frozen
class ClassReader:
    """Reads a mapping as an object of an attrs class.

    *keys*: attribute -> key. *structure*: the function that cattrs generated. If some values are wrong, the
    check still runs, on an object in which they stand at their defaults.
    """

    cls: type
    keys: Mapping[str, str]
    structure: Hook
    check: Check | None = None

    def __call__(self, value: object, _: object = None) -> object:
        """The object; raises Misfits with all that is wrong with it."""
        if not isinstance(value, dict):
            raise misfits(value, f"a mapping with the keys {', '.join(self.keys.values())}")
        wrong = Gathering()
        made = self._try(value, wrong)
        broken = {str(misfit.path[0]) for misfit in wrong if misfit.path}
        if made is None:
            made = self._try({key: item for key, item in value.items() if key not in broken}, [])
        if made is not None and self.check is not None:
            wrong.extend(self.check(made, broken))
        wrong.close()
        return made

    def _try(self, value: dict[str, Any], wrong: list[Misfit]) -> object:
        try:
            return self.structure(value, self.cls)
        except ClassValidationError as group:
            for error in group.exceptions:
                wrong.extend(self._misfits_of(error))
            return None

    def _misfits_of(self, error: Exception) -> Iterable[Misfit]:
        if isinstance(error, ForbiddenExtraKeysError):
            return [self._unknown(key) for key in sorted(error.extra_fields)]
        key = self.keys[attribute_of(error)]
        if isinstance(error, Misfits):
            return [misfit.under(key) for misfit in error.misfits]
        if not isinstance(error, KeyError):
            raise error
        return [Misfit((), f"no key {key!r}", f"{key!r}, which is required")]

    def _unknown(self, key: str) -> Misfit:
        known = list(self.keys.values())
        near = difflib.get_close_matches(key, known, n=1)
        guess = f"{near[0]!r}, or another " if near else ""
        return Misfit((key,), f"the unknown key {shown(key)}", f"{guess}one of {', '.join(known)}", True)


def attribute_of(error: Exception) -> str:
    """The attribute that cattrs was reading when *error* came up."""
    return next(note.name for note in error.__notes__ if isinstance(note, AttributeValidationNote))


def register(converter: Converter, cls: type, check: Check | None = None, **kinds: object) -> None:
    """Teach *converter* to read *cls*.

    *kinds*: types that say more than the annotations of *cls* do. An attribute whose key in the file is a
    Python keyword has that key in its metadata, under "key".
    """
    attributes = attrs.fields(attrs.resolve_types(cls))
    keys = {attribute.name: attribute.metadata.get("key", attribute.name) for attribute in attributes}
    overrides = {
        name: override(rename=key, struct_hook=_hook(converter, kinds[name]) if name in kinds else None)
        for name, key in keys.items()
    }
    structure: Hook = make_dict_structure_fn(cls, converter, **overrides)  # type: ignore[arg-type]
    converter.register_structure_hook(cls, ClassReader(cls, keys, structure, check))


def _hook(converter: Converter, kind: object) -> Hook:
    hook: Hook = converter.get_structure_hook(kind)
    return lambda value, _: hook(value, kind)
