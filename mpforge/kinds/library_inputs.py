"""Give a build its native libraries: their files in its directory, and the variables for finding them.

Each has a directory of its own, ``libraries/NAME`` of the step's. Compilers, pkg-config, CMake, Meson and
``*-config`` scripts find these libraries, and none of this host.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.toolchains.ready import ReadyCompilers

FOLDER = "libraries"
_FIELD = "library."
_CPLUSPLUS = re.compile(
    rb"__gxx_personality_v0|__cxa_guard_acquire|_Zn[aw][jm]|_ZNK?St|_ZTVN10__cxxabiv"
)
"""Symbols that programs in C++ take from its runtime (Itanium C++ ABI)."""


def trees(given: Mapping[str, Directory]) -> dict[str, Directory]:
    """Return a step's native libraries by name."""
    return {
        field.removeprefix(_FIELD): tree
        for field, tree in given.items()
        if field.startswith(_FIELD)
    }


def put(given: Mapping[str, Directory], store: BlobStore, directory: Path) -> dict[str, Path]:
    """Put a step's native libraries into its directory; return their prefixes by name."""
    for name, tree in trees(given).items():
        store.restore(tree, directory / FOLDER / name)
    return prefixes(directory)


def prefixes(directory: Path) -> dict[str, Path]:
    """Return the prefixes of the native libraries in a step's directory, by name."""
    folder = directory / FOLDER
    return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def placeholders(directory: Path) -> dict[str, str]:
    """Return the values of ``{prefix:NAME}`` in a step's directory."""
    return {f"prefix:{name}": str(path) for name, path in prefixes(directory).items()}


def library_folders(directory: Path) -> tuple[Path, ...]:
    """Return the directories with the libraries in a step's directory."""
    return tuple(_there(prefixes(directory), "lib", "lib64"))


def joined(ready: ReadyCompilers, found: Mapping[str, Path]) -> ReadyCompilers:
    """Return compilers that find these libraries, in builds and in build hooks."""
    if not found:
        return ready
    static = [*_archives(found)]
    runtime = ["-lstdc++"] if is_cplusplus(found) else []
    headers = _list(found, "include")
    links = " ".join(f"-L{folder}" for folder in _there(found, "lib", "lib64"))
    known = {**ready.variables, **ready.hooks}
    more = {
        # Searched after what a build names itself, so that its own copy of a header comes first.
        "C_INCLUDE_PATH": headers,
        "CPLUS_INCLUDE_PATH": headers,
        "LIBRARY_PATH": _list(found, "lib", "lib64"),
        "LDFLAGS": " ".join(filter(None, [known.get("LDFLAGS"), links])),
        "CMAKE_PREFIX_PATH": os.pathsep.join(map(str, found.values())),
        "PKG_CONFIG_LIBDIR": _list(found, "lib/pkgconfig", "lib64/pkgconfig", "share/pkgconfig"),
        "PKG_CONFIG_PATH": "",
        "PKG_CONFIG_ALLOW_CROSS": "1",  # the Rust crate pkg-config asks nothing for another machine
        "MPFORGE_LIBRARIES": " ".join([*map(str, static), *runtime]),
    }
    programs = tuple(map(str, _there(found, "bin")))
    return dataclasses.replace(
        ready,
        variables={**ready.variables, **more},
        hooks={**ready.hooks, **more} if ready.hooks else {},
        path=(*ready.path, *programs),
    )


def is_cplusplus(found: Mapping[str, Path]) -> bool:
    """Return whether one of these static libraries needs the runtime of C++, which C compilers don't link."""
    return any(_CPLUSPLUS.search(path.read_bytes()) for path in _archives(found))


def _archives(found: Mapping[str, Path]) -> Iterator[Path]:
    """Yield the static libraries below prefixes, those that need others first."""
    for prefix in [*found.values()][::-1]:
        for folder in ("lib", "lib64"):
            yield from sorted((prefix / folder).glob("*.a"))


def _list(found: Mapping[str, Path], *names: str) -> str:
    return os.pathsep.join(map(str, _there(found, *names)))


def _there(found: Mapping[str, Path], *names: str) -> Iterator[Path]:
    """Yield those of the directories of these names below each prefix that exist."""
    for prefix in found.values():
        yield from (prefix / name for name in names if (prefix / name).is_dir())
