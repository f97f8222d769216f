"""List the symbols that a CPython, a C library and the libraries of every system export.

The tables ship with mpforge (``symbol-names/README.md`` names their sources), so an answer is the same on
every host. Knows nothing of files that need symbols.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from importlib import resources

# The public prefixes of the libraries on manylinux's lists that have no versions for (all of) their symbols.
_PREFIXES: Mapping[str, str] = {
    "libX11.so.6": r"_?X",
    "libXext.so.6": r"_?X|DPMS|xge",
    "libXrender.so.1": r"_?XRender",
    "libICE.so.6": r"_?Ice",
    "libSM.so.6": r"_?Sm",
    "libGL.so.1": r"gl",
    "libglib-2.0.so.0": r"g_|glib_",
    "libgobject-2.0.so.0": r"g_",
    "libgthread-2.0.so.0": r"g_thread",
    "libexpat.so.1": r"XML_",
    "libz.so.1": r"adler32|compress|crc32|deflate|get_crc_table|gz|inflate|uncompress|z[A-Z]|zlib",
}


def cpython_exports(python: str) -> frozenset[str] | None:
    """Return the exports of a CPython (``cp311``, ``cp313t``); None if its version has no table."""
    return _cpython().get(python.removeprefix("cp3"))


@functools.cache
def _cpython() -> Mapping[str, frozenset[str]]:
    versions, *lines = _lines("cpython.txt")
    found: dict[str, set[str]] = {version: set() for version in versions.split(",")}
    for line in lines:
        having, _, names = line.partition(": ")
        for version in having.split(","):
            found[version].update(names.split())
    return {version: frozenset(names) for version, names in found.items()}


@functools.cache
def glibc_symbols(version: tuple[int, int]) -> frozenset[str]:
    """Return the symbols of a glibc version, in any of its libraries."""
    found: set[str] = set()
    for since, names in _by_version("glibc.txt"):
        if since <= max(version, (2, 17)):
            found.update(names)
    return frozenset(found)


@functools.cache
def musl_symbols(version: tuple[int, int]) -> frozenset[str]:
    """Return the symbols of the first release of a musl series: 1.2.0's for ``(1, 2)`` and older ones."""
    wanted = max(version, (1, 2))
    groups = (names for since, names in _by_version("musl.txt") if since <= wanted)
    return frozenset(name for names in groups for name in names)


@functools.cache
def first_versions(libc: str) -> Mapping[str, tuple[int, ...]]:
    """Map the symbols of ``glibc`` or ``musl`` to the first version that has them."""
    return {name: since for since, names in _by_version(f"{libc}.txt") for name in names}


@functools.cache
def stable_abi() -> Mapping[str, tuple[int, ...]]:
    """Map the symbols of Python's stable ABI to the first version that has them."""
    return {name: since for since, names in _by_version("stable-abi.txt") for name in names}


def may_be_of(library: str, symbol: str) -> bool:
    """Return whether a symbol without a version may come from a library of every system."""
    prefixes = _PREFIXES.get(library)
    return prefixes is not None and re.match(prefixes, symbol) is not None


def _by_version(name: str) -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """Yield the first version that has some symbols, and their names, for each line of a table."""
    for line in _lines(name):
        since, _, names = line.partition(": ")
        yield tuple(map(int, since.split("."))), names.split()


def _lines(name: str) -> list[str]:
    folder = resources.files(__package__).joinpath("symbol-names")
    return folder.joinpath(name).read_text(encoding="ascii").splitlines()
