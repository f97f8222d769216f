"""Which headers a call has read, and what lies in the places where a compiler looks for them."""

from __future__ import annotations

import os

from .files import read
from .places import NotReusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .calls import Call
    from .places import Place

# What reads files or times that no list of headers tells of.
_UNTOLD = rb'\.incbin\b|(?:"|\\[nt])\s*\.include\b|__TIMESTAMP__|#\s*embed\b|__has_embed'
_SUSPECT = (b".inc", b"__TIMESTAMP__", b"embed")
_DIRECTIVE = rb'#[^\n<"]*[<"][^\n]*'
_QUESTION = rb"[^\n]*__has_include[^\n]*"
_NAMES = rb'[<"]([^<>"\n]{1,200})[>"]'
_DEPTH = 4
"""As many folders as a toolchain's own headers are asked for with."""


def found(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which of ``names``, as headers are asked for, are files in the folders; ``/`` ends each one's."""
    below: dict[str, set[str]] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        below.setdefault(folder, set()).add(base)
    said = []
    for folder in folders:
        for inner, bases in sorted(below.items()):
            place = os.path.join(folder, inner)
            try:
                there = bases.intersection(os.listdir(place))
            except OSError:
                continue
            files = (base for base in sorted(there) if os.path.isfile(os.path.join(place, base)))
            said += [f"{inner}/{base}" for base in files]
        said.append("/")
    return said


def searched(call: Call, headers: Iterable[str], place: Place) -> list[str]:
    """The directories that are searched for headers, less those in which nothing changes."""
    beside = (os.path.dirname(path) or "." for path in (call.source, *headers))
    every = dict.fromkeys([".", *call.folders, *beside])
    return [path for path in every if not place.is_fixed(f"{path}/")]


def names_in(headers: list[str], folders: list[str], place: Place) -> set[str]:
    """What these files ask for, or might; more does no harm. Raises ``NotReusable``, ``OSError``."""
    names: set[str] = set()
    for path in headers:
        text = read(path)
        if not place.is_fixed(path):
            names.update(_asked(text, _DIRECTIVE))
        elif b"__has_include" in text:
            names.update(_asked(text, _QUESTION))
        base = os.path.basename(path)
        names |= {base, f"{base}.gch", f"{base}.pch"}
        # By a macro a header is asked for as it lies below one of the folders.
        below = (f"{folder.rstrip('/')}/" for folder in folders)
        names.update(path.removeprefix(f) for f in below if path.startswith(f))
        if place.is_fixed(path):  # and what it was asked for as is the end of its path
            parts = path.split("/")
            names.update("/".join(parts[-depth:]) for depth in range(2, 2 + _DEPTH))
    return {name for name in names if "\n" not in name and not name.startswith("/")}


def _asked(text: bytes, lines: bytes) -> Iterator[str]:
    """The names in all that may be a line for the preprocessor. Raises ``NotReusable``."""
    import re

    if b"\\" in text:
        text = text.replace(b"\\\n", b"").replace(b"\\\r\n", b"")
    if any(word in text for word in _SUSPECT) and re.search(_UNTOLD, text):
        raise NotReusable("its text reads what is not told")
    text = text.replace(b"%:", b"#")
    for line in re.findall(lines, text):
        yield from map(os.fsdecode, re.findall(_NAMES, line))


def headers_told(call: Call, depfile: str) -> list[str]:
    """The files that a call has read. Raises ``NotReusable`` where they are not told, ``OSError``."""
    try:
        text = os.fsdecode(read(depfile)).replace("\\\r\n", " ").replace("\\\n", " ")
    except FileNotFoundError:  # zig had that object, and asked clang nothing
        raise NotReusable("its headers are not told") from None
    if call.is_zig:
        told = text.splitlines()
    else:
        told = text.partition("\n")[0].partition(": ")[2].split()
        if call.source not in told:
            raise NotReusable("its headers are not told")
    if any("\\" in path or "$" in path for path in told):
        raise NotReusable("its headers have strange names")
    return list(dict.fromkeys([call.source, *told]))
