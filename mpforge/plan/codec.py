"""Convert types to JSON data and back: dataclasses, unions of them, tuples, mappings, paths and scalars.

Knows nothing of what the types mean. Data of another shape fails rather than being half understood; only a
missing field may have a default.
"""

import contextlib
import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class OneOf:
    """The base of a union's dataclasses, which JSON data tells apart by ``kind``: the class in kebab-case."""

    kind = ""

    def __init_subclass__(cls, *, kind: str = "") -> None:
        cls.kind = kind or re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


def encode(value: Any) -> Any:
    """Return JSON data for a plan value."""
    named = {"kind": value.kind} if isinstance(value, OneOf) else {}
    if dataclasses.is_dataclass(value):
        data = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {**data, **named}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def decode(kind: type[T], data: Any) -> T:
    """Return the value of ``encode``'s JSON data.

    Raises ``ValueError`` or ``TypeError`` for data that does not fit ``kind``.
    """
    read: Callable[[Any], T] = _reader(typing.cast(Any, kind))
    return read(data)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that reads data of a type."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}
        return functools.partial(_dataclass, kind, readers)
    reader = _READERS.get(typing.get_origin(kind))
    if reader is None:
        return functools.partial(_plain, kind)
    return functools.partial(reader, typing.get_args(kind))


def _dataclass(kind: Any, readers: Mapping[str, Callable[[Any], Any]], data: Any) -> Any:
    fields = dict(_plain(dict, data))
    named = fields.pop("kind", None) == getattr(kind, "kind", None)
    if not named or not fields.keys() <= readers.keys():
        raise ValueError(f"not a {kind}: {data!r}")
    return kind(**{key: readers[key](value) for key, value in fields.items()})


def _union(members: tuple[Any, ...], data: Any) -> Any:
    for member in members:
        other = isinstance(data, dict) and data.get("kind") != getattr(member, "kind", None)
        if not other:
            with contextlib.suppress(ValueError, TypeError):
                return _reader(member)(data)
    raise ValueError(f"no member of the union fits {data!r}")


def _literal(words: tuple[Any, ...], data: Any) -> Any:
    if data not in words:
        raise ValueError(f"{data!r} is none of {words}")
    return data


def _tuple(members: tuple[Any, ...], data: Any) -> Any:
    items = _plain(list, data)
    if len(members) == 2 and members[1] is Ellipsis:
        return tuple(map(_reader(members[0]), items))
    return tuple(_reader(member)(item) for member, item in zip(members, items, strict=True))


def _mapping(members: tuple[Any, ...], data: Any) -> Any:
    return {key: _reader(members[1])(item) for key, item in _plain(dict, data).items()}


def _plain(kind: Any, data: Any) -> Any:
    if kind is Path:
        return Path(_plain(str, data))
    if kind is Any or (isinstance(kind, type) and isinstance(data, kind)):
        return data
    raise ValueError(f"{kind} was expected, not {data!r}")


_READERS: Mapping[Any, Callable[[Any, Any], Any]] = {
    typing.Union: _union,
    types.UnionType: _union,
    typing.Literal: _literal,
    tuple: _tuple,
    Mapping: _mapping,
}
