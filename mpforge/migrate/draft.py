"""A draft of a spec: a document, comments on it, and its text as TOML.

``validated`` drops values that the vocabulary does not allow, so that the written spec is valid. Where
the values come from is not known here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpforge.formats.toml import Path, as_key, as_toml
from mpforge.spec.finding import dotted

_WIDTH = 88


@dataclass(frozen=True)
class Remark:
    """An option that is not in the written spec: its name, and why it was left out."""

    key: str
    reason: str


@dataclass
class Draft:
    """A document by table and key, and comments by the path of the key beside or below them."""

    document: dict[str, Any] = field(default_factory=dict)
    comments: dict[Path, str] = field(default_factory=dict)

    def table(self, *path: str) -> dict[str, Any]:
        """Return the table at a path, creating it if need be."""
        table = self.document
        for key in path:
            table = table.setdefault(key, {})
        return table


def validated(draft: Draft) -> tuple[Remark, ...]:
    """Remove invalid values from ``draft``; return a remark for each, with the reason.

    A missing value can't be fixed by removing something: it stays for
    ``load.find_problems`` to report.
    """
    from mpforge.spec.load import examine

    remarks: list[Remark] = []
    while True:
        errors = [finding for finding in examine(draft.document)[1] if not finding.warning]
        dropped = next((f for f in reversed(errors) if _drop(draft.document, f.path)), None)
        if dropped is None:
            return tuple(remarks)
        key = dotted(dropped.path)
        remarks.append(Remark(key, dropped.message.removeprefix(f"`{key}`: ")))


def _drop(holder: Any, path: Path) -> bool:
    """Remove the value at a path, and lists and tables that become empty; False if it does not exist."""
    part: Any = path[0]
    inner = path[1:]
    if not isinstance(holder, dict | list):
        return False
    try:
        child = holder[part]
    except (LookupError, TypeError):
        return False
    if inner and not _drop(child, inner):
        return False
    if not inner or not child:
        del holder[part]
    return True


def to_toml(draft: Draft) -> str:
    """Format a draft: plain values first, then its tables; long lists over several lines."""
    return "\n".join(_table((), draft.document, draft.comments)).strip() + "\n"


def comment(text: str) -> str:
    """Format a text as comment lines; no line of it can become TOML."""
    return "\n".join(f"# {line}".rstrip() for line in _printable(text).splitlines())


def _table(path: Path, table: Mapping[str, Any], comments: Mapping[Path, str]) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if _is_table(value)}
    for key, value in table.items():
        if key not in tables:
            beside = comments.get((*path, key), "")
            note = f"   # {' '.join(_printable(beside).split())}" if beside else ""
            yield f"{as_key(key)} = {_value(value)}{note}"
    for key, value in tables.items():
        below = (*path, key)
        if isinstance(value, list):
            for number, element in enumerate(value):
                yield from _section((*below, number), element, comments, f"[[{_header(below)}]]")
        else:
            yield from _section(below, value, comments, f"[{_header(below)}]")


def _section(
    path: Path, table: Mapping[str, Any], comments: Mapping[Path, str], header: str
) -> Iterator[str]:
    above = comments.get(path)
    only_tables = bool(table) and all(map(_is_table, table.values()))
    if not only_tables or header.startswith("[["):
        yield ""
        if above:
            yield comment(above)
        yield header
    yield from _table(path, table, comments)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _header(path: Path) -> str:
    return dotted(tuple(part for part in path if isinstance(part, str)))


def _value(value: Any) -> str:
    line = as_toml(value)
    if isinstance(value, list) and len(line) > _WIDTH:
        return "[\n" + "".join(f"  {as_toml(item)},\n" for item in value) + "]"
    return line


def _printable(text: str) -> str:
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)
