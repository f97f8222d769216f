"""The host files that a native build's calls of zig name: directories of headers, libraries, files.

zig itself looks nowhere on this host. It is linked statically, so its reads can't be recorded; its calls are
(``compiler.sh``), each in a file of the caller's process number: the directory, the arguments.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "compiler-calls"
"""The directory of a step's directory where calls are kept."""

_END = b"\0\n\0"
_HEADERS = ("-isystem", "-idirafter", "-iquote", "--include-directory", "-I")
_LIBRARIES = ("--library-directory", "--library-path", "-L")
_FILES = ("-include", "-imacros")
_LINKED = (".a", ".o", ".so")


@dataclass(frozen=True)
class NamedPaths:
    """Directories that headers are searched in, and the files that a link may take or lack, as paths."""

    headers: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def named(folder: Path, to_host_paths: Callable[[str], str] = str) -> NamedPaths:
    """Return the paths that the kept calls name; relative paths are joined with the directory of the call.

    ``to_host_paths`` returns a path as the host knows it.
    """
    found = NamedPaths()
    for place in folder.iterdir() if folder.is_dir() else ():
        for call in place.read_bytes().split(_END):
            where, *words = (to_host_paths(os.fsdecode(word)) for word in call.split(b"\0"))
            _add(found, where, words)
    return found


def _add(found: NamedPaths, where: str, words: list[str]) -> None:
    libraries: list[str] = []
    names: list[str] = []
    for option, value in _options(_parted(words)):
        path = os.path.join(where, value)
        if option in _HEADERS:
            found.headers.add(path)
        elif option in _LIBRARIES:
            libraries.append(path)
        elif option == "-l":
            names += [value[1:]] if value.startswith(":") else [f"lib{value}.so", f"lib{value}.a"]
        else:
            found.files.add(path)
    found.files.update(os.path.join(folder, name) for folder in libraries for name in names)


def _parted(words: Iterable[str]) -> Iterator[str]:
    """Return the words, with arguments for the linker and the preprocessor as separate words."""
    for word in words:
        if word.startswith(("-Wl,", "-Wp,")):
            yield from word.split(",")[1:]
        elif word not in ("-Xlinker", "-Xpreprocessor"):
            yield word


def _options(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each option that names a path, and the path; ``""`` for a path without an option."""
    joined = (*_HEADERS, *_LIBRARIES, "-l")
    for word in words:
        if word in (*joined, *_FILES):
            value = next(words, "")
            yield from [(word, value)] if value else []
        elif not word.startswith("-"):
            if word.endswith(_LINKED) or ".so." in word:
                yield "", word
        else:
            option = next((name for name in joined if word.startswith(name)), None)
            if option is not None:
                yield option, word.removeprefix(option).removeprefix("=")
