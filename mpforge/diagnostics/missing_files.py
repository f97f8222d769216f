"""Find files that a build lacked, or could not use, from its log.

A build sees only the sdist's files, without those that MANIFEST.in (or the backend's equivalent) leaves out.
A source file that nobody has is one that a command has to generate first. A library in the project may be
another machine's. Read from the log's lines. Knows nothing of
how a step runs.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mpforge.diagnostics.log_patterns import compiled
from mpforge.errors import LibraryMissing, StepFailed
from mpforge.platforms import by_elf_number

_NAME = r"[\w./+-]*\w"
_NO_SOURCE = (
    rf"error: no such file or directory: '(?P<name>{_NAME})'",  # clang
    rf"checking cache failed: file_open FileNotFound (?P<name>{_NAME})",  # zig
    rf"cc1(?:plus)?: fatal error: (?P<name>{_NAME}): No such file or directory",  # GCC
    rf"Cannot find source file:\s+(?P<name>{_NAME})",  # CMake
)
"""A compiler was told to compile a file that does not exist."""
_GENERATED = compiled(*_NO_SOURCE)
_ABSENT = compiled(
    rf"fatal error: '?(?P<name>{_NAME})'?(?: file not found|: No such file or directory)",
    *_NO_SOURCE,
    rf"No such file or directory: '(?P<name>{_NAME})'",
    rf"(?:^|\s)(?P<name>{_NAME}): No such file or directory$",
    rf"'(?P<name>{_NAME})' doesn't match any files",  # Cython
    rf"'(?P<name>{_NAME}\.p(?:xd|xi|yx))' not found",
    rf"error: package directory '(?P<name>{_NAME})' does not exist",
    rf"No rule to make target '(?P<name>{_NAME})'",
    rf"^\s+(?P<name>{_NAME}\.(?:c|cc|cpp|cxx|h|hpp|in))$",  # after CMake's "Cannot find source file:"
    rf"given source \"(?P<name>{_NAME})\" which is not an existing directory",
    rf"ERROR: File (?P<name>{_NAME}) does not exist",  # Meson
    rf"Nonexistent build file '(?P<name>{_NAME})'",
    rf"couldn't read `(?P<name>{_NAME})`",  # rustc
)
_INCOMPATIBLE = compiled(
    r"(?P<name>[^\s:]+\.(?:so[\d.]*|a|o))(?:\([^)]*\))? is incompatible with",  # lld
    r"skipping incompatible (?P<name>\S+) when searching",  # GNU ld
    r"(?P<name>[^\s:]+\.(?:so[\d.]*|a|o)): (?:file in wrong format|error adding symbols)",
)
_LOOKS_BACK = 200


def explained(
    error: StepFailed,
    lines: Sequence[str],
    *,
    project: Collection[str],
    built: Collection[str],
    root: Path,
) -> StepFailed:
    """Return the error of a failed build, explained by the project's own files if they are the cause.

    ``project`` and ``built`` are the paths of the project's files and of the build's input files;
    ``root`` is the step's directory; the build's files are in its ``src``.
    """
    if type(error) not in (StepFailed, LibraryMissing):
        return error
    title = error.what.partition(" failed")[0]
    only = [path for path in project if path not in set(built)]
    if absent := next(_about(lines, _ABSENT, only, root), None):
        line, path = absent
        return StepFailed(
            f"{title} failed: {path} is in the project but not in its sdist",
            why=line,
            hint=f"add it to the sdist (setuptools: `include {path}` in MANIFEST.in; other backends "
            "have a setting of their own), or build without one: [sdist] enable = false",
        )
    if (missing := _generated(lines, built, root)) is not None:
        line, path = missing
        return StepFailed(
            f"{title} failed: {path} does not exist, neither in the project nor after earlier commands",
            why=line,
            hint="if a command generates it (such as `cython` or `make`), run that command in [build] "
            "before-build and add what it needs to [build] requires",
        )
    for line, path in _about(lines, _INCOMPATIBLE, built, root):
        if (machine := machine_of(root / "src" / path)) is not None:
            return LibraryMissing(
                f"{title} failed: the project's own {path} is for {machine}, not for the target",
                why=line,
                hint="build it for each target (from its sources, in the backend or in [build] "
                "before-build), or keep one file for each target and choose by the target's name",
            )
    return error


def _generated(lines: Sequence[str], built: Collection[str], root: Path) -> tuple[str, str] | None:
    """Return a line about a source file that nobody has, and the file by its path in the project."""
    for line in (line.replace(f"{root / 'src'}/", "") for line in lines[-_LOOKS_BACK:]):
        for match in filter(None, (pattern.search(line) for pattern in _GENERATED)):
            path = match["name"]
            if not _named(path, built, root) and not path.startswith("/"):
                return line.strip(), path
    return None


def _about(
    lines: Sequence[str], patterns: Sequence[re.Pattern[str]], files: Collection[str], root: Path
) -> Iterator[tuple[str, str]]:
    """Yield each of the last lines that a pattern matches and that names one of the files, and the file."""
    for line in lines[-_LOOKS_BACK:]:
        for match in filter(None, (pattern.search(line) for pattern in patterns)):
            if path := _named(match["name"], files, root):
                yield line.strip(), path


def machine_of(path: Path) -> str | None:
    """Return the machine of an ELF file, or of an archive's first one (elf(5): e_machine at offset 18)."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    begin = data.find(b"\x7fELF")
    head = data[begin : begin + 20] if begin >= 0 else b""
    if len(head) < 20:
        return None
    number = int.from_bytes(head[18:], "little" if head[5] == 1 else "big")
    known = by_elf_number(number)
    return known.name if known else f"another machine (ELF machine {number})"


def _named(name: str, files: Collection[str], root: Path) -> str | None:
    """Return the file that a log names, by its path below the source or by the end of its path."""
    for folder in (root / "src", root):
        name = name.removeprefix(f"{folder}/")
    name = posixpath.normpath(name).lstrip("/")
    while name.startswith("../"):
        name = name[3:]
    found = [path for path in files if path == name or path.startswith(f"{name}/")]
    found += [path for path in files if path.endswith(f"/{name}")]
    return found[0] if found else None
