"""Records whose every text is of the tests' choosing, made by walking the dataclasses: a new field is in them too."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def filled(kind: type[Kind], text: Callable[[int], str]) -> Kind:
    """Return an instance with every field set, tuples and mappings of one item; ``text`` gives the n-th text."""
    numbers = itertools.count(1)
    made: Kind = _filled(kind, lambda: text(next(numbers)))
    return made


def _filled(kind: Any, text: Callable[[], str]) -> Any:
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _filled(parts[0], text)
    if origin is tuple:
        return tuple(_filled(part, text) for part in parts if part is not Ellipsis)
    if origin is not None and issubclass(origin, Mapping):
        return {_filled(parts[0], text): _filled(parts[1], text)}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: _filled(hints[field.name], text) for field in fields(kind)})
    if issubclass(kind, Enum):
        return next(iter(kind))
    plain: Mapping[type, Callable[[], Any]] = {str: text, bool: lambda: True, int: lambda: 1, float: lambda: 0.5}
    return plain[kind]()


def text_fields(kind: type) -> Iterator[tuple[str, str]]:
    """Yield (dataclass, field) of every field that holds text itself, in ``kind`` and all that it is made of."""
    seen: set[type] = set()

    def walk(part: Any) -> Iterator[tuple[str, str]]:
        if is_dataclass(part) and isinstance(part, type) and part not in seen:
            seen.add(part)
            hints = typing.get_type_hints(part)
            for field in fields(part):
                leaves = list(_leaves(hints[field.name]))
                if str in leaves:
                    yield part.__name__, field.name
                for leaf in leaves:
                    yield from walk(leaf)

    yield from walk(kind)


def _leaves(kind: Any) -> Iterator[Any]:
    parts = typing.get_args(kind)
    if not parts:
        yield kind
    for part in parts:
        yield from _leaves(part)
