"""Make the arithmetic of ppc64le's ``long double``, a sum of two doubles, which zig's runtime lacks.

A compiler calls it by the names that libgcc has (``__gcc_qadd``). It is a static library in zig's global
cache, of which a link takes what it needs.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from mpforge.toolchains.templates import template

LIBRARY = "o/double-double.a"  # in zig's global cache
_SOURCE = "double_double.c"


def source(words: Iterable[str]) -> str | None:
    """Return the library's source for a target with these arguments of every call; None if none is needed."""
    return template(_SOURCE) if "-mabi=ibmlongdouble" in words else None


def make(text: str, cache: Path, work: Path, zig: Callable[..., None]) -> None:
    """Make the library in a cache from its source, once. ``zig`` and ``work`` are as in ``musl_library``."""
    library = cache / LIBRARY
    if library.exists():
        return
    (work / _SOURCE).write_text(text, encoding="utf-8")
    options = ("-O2", "-g0", "-fPIC", "-ffp-contract=off", "-fvisibility=hidden")
    zig("cc", *options, "-c", _SOURCE, "-o", "double_double.o")
    zig("ar", "rcsD", str(library), "double_double.o")
