"""A problem before it has a place: a path of keys, a code, and a message. Knows no file and no text."""

from dataclasses import dataclass

from mpforge.errors import Place
from mpforge.formats.toml import Path, as_key


@dataclass(frozen=True)
class Finding:
    """One problem at ``path`` of the document; ``nearest`` is a valid name close to it.

    ``place`` is a place in another file, which the document names at ``path``.
    """

    code: str
    path: Path
    message: str
    nearest: str | None = None
    warning: bool = False
    place: Place | None = None


def finding_at(
    code: str,
    path: Path,
    message: str,
    nearest: str | None = None,
    *,
    item: int | None = None,
    warning: bool = False,
) -> Finding:
    """Return a problem of ``path``, or of an ``item`` of its list; the message begins with the path."""
    where = path if item is None else (*path, item)
    return Finding(code, where, f"`{dotted(path)}`: {message}", nearest, warning)


def dotted(path: Path) -> str:
    """Format a path: ``("overrides", 0, "build")`` → ``overrides[0].build``; odd keys quoted as in TOML."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        text += f".{as_key(part)}" if text else as_key(part)
    return text


def as_written(document: object, path: Path) -> Path:
    """Return ``path`` without the parts that validation added to the document's own keys.

    A string in place of a list has no index, and a union's tag is not a key. A missing key of a
    table stays, so that it can be named.
    """
    kept: list[str | int] = []
    value = document
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif value is not None:
            continue
        kept.append(part)
    return tuple(kept)


def overlap(one: Path, other: Path) -> bool:
    """Return whether one of the paths leads to or into the other."""
    return all(a == b for a, b in zip(one, other, strict=False))
