"""Convert types to JSON data and back: dataclasses, tuples, paths, None, scalars, unions with a ``kind``.

Knows nothing of what the types mean; a plan written by another version fails with ``ValueError`` rather than
being half understood.
"""

import contextlib
import dataclasses
import functools
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Return JSON data for a plan value."""
    if dataclasses.is_dataclass(value):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_union(members: tuple[Any, ...], data: Any) -> Any:
    for member in members:
        other = isinstance(data, dict) and data.get("kind") != getattr(member, "kind", None)
        if not other:
            with contextlib.suppress(ValueError):
                return _decode(member, data)
    raise ValueError(f"no member of the union fits {data!r}")


def _decode(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), data)
    if origin is typing.Literal:
        if data not in typing.get_args(kind):
            raise ValueError(f"{data!r} is none of {typing.get_args(kind)}")
        return data
    if origin is tuple:
        members = typing.get_args(kind)
        if not isinstance(data, list):
            raise ValueError(f"a list was expected, not {data!r}")
        if len(members) == 2 and members[1] is Ellipsis:
            return tuple(_decode(members[0], item) for item in data)
        return tuple(_decode(member, item) for member, item in zip(members, data, strict=True))
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        if not isinstance(data, dict) or set(data) != set(hints):
            raise ValueError(f"not a {kind}: {data!r}")
        return typing.cast(Any, kind)(**{key: _decode(hints[key], data[key]) for key in hints})
    plain: Any = str if kind is Path else kind
    if isinstance(kind, type) and isinstance(data, plain):
        return Path(data) if kind is Path else data
    raise ValueError(f"{kind} was expected, not {data!r}")


def decode(kind: type[T], data: Any) -> T:
    """Return the value of ``encode``'s JSON data; ``ValueError`` if it does not fit ``kind``."""
    return typing.cast(T, _decode(kind, data))
