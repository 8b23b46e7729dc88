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

from graydns.config.issues import IssueCollector, ValidationError, ValidationIssue, format_value, make_validation_error

StructureHook: TypeAlias = Callable[[Any, Any], Any]

#: Checks a whole object, given the keys whose values were wrong and now stand at their defaults.
ObjectCheck: TypeAlias = Callable[[Any, Collection[str]], Iterable[ValidationIssue]]


def make_converter() -> Converter:
    """A converter that knows readers, lists, mappings and "or null", and no classes yet."""
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook_factory(is_list_type)(make_list_hook)
    converter.register_structure_hook_factory(is_mapping_type)(make_mapping_hook)
    converter.register_structure_hook_factory(is_optional_type)(make_optional_hook)
    converter.register_structure_hook_factory(has_reader)(make_reader_hook)
    return converter


def has_reader(kind: object) -> bool:
    """Whether *kind* is ``Annotated`` with something to call."""
    return get_origin(kind) is Annotated and callable(get_args(kind)[1])


def is_list_type(kind: object) -> bool:
    """Whether *kind* is ``tuple[X, ...]``."""
    return get_origin(kind) is tuple


def is_mapping_type(kind: object) -> bool:
    """Whether *kind* is ``Mapping[K, V]``."""
    return get_origin(kind) is Mapping


def is_optional_type(kind: object) -> bool:
    """Whether *kind* is ``X | None``."""
    return type(None) in get_args(kind)


def make_reader_hook(kind: object, _converter: Converter) -> StructureHook:
    """A hook that calls the reader of *kind*."""
    reader = get_args(kind)[1]
    return lambda value, _: reader(value)


def make_optional_hook(kind: object, converter: Converter) -> StructureHook:
    """A hook for "null or what the other type takes"."""
    args = [arg for arg in get_args(kind) if arg is not type(None)]
    inner_kind = args[0]
    inner: StructureHook = converter.get_structure_hook(inner_kind)
    return lambda value, _: None if value is None else inner(value, inner_kind)


def make_list_hook(kind: object, converter: Converter) -> StructureHook:
    """A hook for ``tuple[X, ...]``; a lone text counts as a list of one."""
    item_kind = get_args(kind)[0]
    item_hook: StructureHook = converter.get_structure_hook(item_kind)

    def read_list(value: object, _: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            return (item_hook(value, item_kind),)
        if not isinstance(value, list):
            raise make_validation_error(value, "a list ([] for an empty one)")
        items, wrong = [], IssueCollector()
        for index, item in enumerate(value):
            try:
                items.append(item_hook(item, item_kind))
            except ValidationError as error:
                wrong.extend(issue.under(index) for issue in error.issues)
        wrong.raise_collected()
        return tuple(items)

    return read_list


def make_mapping_hook(kind: object, converter: Converter) -> StructureHook:
    """A hook for ``Mapping[K, V]``, in the file's order; two spellings of one key are a issue."""
    key_kind, value_kind = get_args(kind)
    key_hook: StructureHook = converter.get_structure_hook(key_kind)
    value_hook: StructureHook = converter.get_structure_hook(value_kind)

    def read_mapping(value: object, _: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise make_validation_error(value, "a mapping ({} for an empty one)")
        items: dict[Any, Any] = {}
        wrong = IssueCollector()
        for text, item in value.items():
            try:
                key = key_hook(text, key_kind)
            except ValidationError as error:
                wrong.extend(ValidationIssue((text,), issue.found, issue.expected, True) for issue in error.issues)
                continue
            if key in items:
                wrong.append(
                    ValidationIssue((text,), f"{format_value(text)} again in another spelling", "each name once", True)
                )
            with wrong.collect_at(text):
                items[key] = value_hook(item, value_kind)
        wrong.raise_collected()
        return items

    return read_mapping


@frozen
class ClassReader:
    """Reads a mapping as an object of an attrs class.

    *key_by_attribute*: attribute -> key. *structure*: the function that cattrs generated. If some values are wrong, the
    check still runs, on an object in which they stand at their defaults.
    """

    cls: type
    key_by_attribute: Mapping[str, str]
    structure: StructureHook
    check: ObjectCheck | None = None

    def __call__(self, value: object, _: object = None) -> object:
        """The object; raises ValidationError with all that is wrong with it."""
        if not isinstance(value, dict):
            raise make_validation_error(value, f"a mapping with the keys {', '.join(self.key_by_attribute.values())}")
        wrong = IssueCollector()
        made = self._try_structure(value, wrong)
        broken = {str(issue.path[0]) for issue in wrong if issue.path}
        if made is None:
            made = self._try_structure({key: item for key, item in value.items() if key not in broken}, [])
        if made is not None and self.check is not None:
            wrong.extend(self.check(made, broken))
        wrong.raise_collected()
        return made

    def _try_structure(self, value: dict[str, Any], wrong: list[ValidationIssue]) -> object:
        try:
            return self.structure(value, self.cls)
        except ClassValidationError as group:
            for error in group.exceptions:
                wrong.extend(self._to_issues(error))
            return None

    def _to_issues(self, error: Exception) -> Iterable[ValidationIssue]:
        if isinstance(error, ForbiddenExtraKeysError):
            return [self._unknown_key_issue(key) for key in sorted(error.extra_fields)]
        key = self.key_by_attribute[find_failed_attribute(error)]
        if isinstance(error, ValidationError):
            return [issue.under(key) for issue in error.issues]
        if not isinstance(error, KeyError):
            raise error
        return [ValidationIssue((), f"no key {key!r}", f"{key!r}, which is required")]

    def _unknown_key_issue(self, key: str) -> ValidationIssue:
        known = list(self.key_by_attribute.values())
        near = difflib.get_close_matches(key, known, n=1)
        guess = f"{near[0]!r}, or another " if near else ""
        return ValidationIssue(
            (key,), f"the unknown key {format_value(key)}", f"{guess}one of {', '.join(known)}", True
        )


def find_failed_attribute(error: Exception) -> str:
    """The attribute that cattrs was reading when *error* came up."""
    return next(note.name for note in error.__notes__ if isinstance(note, AttributeValidationNote))


def register_class(converter: Converter, cls: type, check: ObjectCheck | None = None, **kinds: object) -> None:
    """Teach *converter* to read *cls*.

    *kinds*: types that say more than the annotations of *cls* do. An attribute whose key in the file is a
    Python keyword has that key in its metadata, under "key".
    """
    attributes = attrs.fields(attrs.resolve_types(cls))
    keys = {attribute.name: attribute.metadata.get("key", attribute.name) for attribute in attributes}
    overrides = {
        name: override(rename=key, struct_hook=_bind_kind(converter, kinds[name]) if name in kinds else None)
        for name, key in keys.items()
    }
    structure: StructureHook = make_dict_structure_fn(cls, converter, **overrides)  # type: ignore[arg-type]
    converter.register_structure_hook(cls, ClassReader(cls, keys, structure, check))


def _bind_kind(converter: Converter, kind: object) -> StructureHook:
    hook: StructureHook = converter.get_structure_hook(kind)
    return lambda value, _: hook(value, kind)
