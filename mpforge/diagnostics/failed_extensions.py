"""Find extension modules that a build failed to compile and then went on without, from its log.

Backends print the same lines natively, when crossing and in an image. An extension is missing if the log
says that it was built and has an error, and the wheel has no such module: one that succeeded at a second try
is in the wheel, and one that is packed under another name had no error. Pure.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

# distutils, setuptools, and their Extension(optional=True); setuptools-rust's RustExtension(optional=True)
_TRIED = (
    re.compile(r"building '(?P<name>[\w.]+)' extension\s*$"),
    re.compile(r"building extension \"(?P<name>[\w.]+)\" failed"),
    re.compile(r"optional Rust extension (?P<name>[\w.]+) failed"),
)
_ERROR = re.compile(
    r"(?:fatal error|(?<![\w-])error)(?:\[E\d+\])?: |undefined symbol|undefined reference|cannot find -l"
    r"|building extension \".*\" failed|Rust extension .* failed|^CMake Error|^[\w.]+Error: "
)
# A compiler's error in a source, with its place.
_OF_SOURCE = re.compile(r"^[^\s:]+:\d+:(?:\d+:)? (?:fatal )?error: ")
# Test files of configure scripts, distutils, CMake and Meson, and all in a step's own TMPDIR.
_CHECK = re.compile(
    r"(?:^|/)(?:conftest|_configtest|testfile|sanitycheck)\w*\."
    r"|/(?:CMakeScratch|CMakeTmp|meson-private)/|/(?:work/[^/]+/\d+|kept/[^/]+/[^/]+|mpforge/step)/tmp/"
)
_WORDS = ("extension", "rror", "undefined", "cannot find")  # each relevant line has one of them
_SHOWN = 8


@dataclass(frozen=True)
class Tried:
    """The content of a build's log: every extension that it tried to build, and the first errors.

    ``of_source``: a compiler refused a source that is not a check's.
    """

    names: tuple[str, ...]
    errors: tuple[str, ...]
    of_source: bool


def tried(log: str) -> Tried:
    """Read a log, ignoring errors of checks."""
    errors: dict[str, None] = {}
    names: dict[str, None] = {}
    for line in log.splitlines():
        if not any(word in line for word in _WORDS):
            continue
        if match := next(filter(None, (pattern.search(line) for pattern in _TRIED)), None):
            names[match["name"]] = None
        if _ERROR.search(line) and not _is_of_check(line):
            errors[line.strip()] = None
    of_source = any(map(_OF_SOURCE.match, errors))
    return Tried((*names,), (*errors,)[:_SHOWN], of_source)


def without_checks(lines: Iterable[str]) -> list[str]:
    """Return the lines without compilers' errors about checks, which may fail in any build."""
    return [line for line in lines if not _is_of_check(line)]


def _is_of_check(line: str) -> bool:
    """Return whether a compiler's line is about a check's source file."""
    return _CHECK.search(line.partition(": ")[0]) is not None


def missing(names: Collection[str], modules: Collection[str]) -> list[str]:
    """Return the extensions' names that are not among a wheel's compiled files (paths below its root)."""
    paths = [PurePosixPath(path) for path in modules]
    wholes = [".".join(("", *path.parent.parts, _stem(path.name))) for path in paths]
    exact = {name for name in names if any(whole.endswith(f".{name}") for whole in wholes)}
    # One may be packed in another package than its name says (package_dir): then its last name matches.
    unclaimed = Counter(_stem(path.name) for path in paths)
    unclaimed.subtract(_last(name) for name in exact)
    absent = []
    for name in names:
        if name not in exact:
            if unclaimed[_last(name)] <= 0:
                absent.append(name)
            unclaimed[_last(name)] -= 1
    return absent


def _stem(filename: str) -> str:
    return filename.partition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]
