"""Recognise general failures in a log's last lines, such as a missing program or network.

Pure. A line only suggests a missing program; the caller must confirm it. Knows nothing of specs.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_QUOTE = "[\u2018'\"`]"  # coreutils' quotes in UTF-8 locales, and other programs'
_END = "[\u2019'\"`]"
_HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_NO_FILE = "No such file or directory"


def compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """Return the patterns, compiled."""
    return tuple(re.compile(pattern) for pattern in patterns)


# Messages that certainly mean that a program was called and not found.
_CALLED = compiled(
    # dash, busybox; bash, zsh; also with a script's line
    rf"^\S*: (?:line )?\d+: (?P<name>{_NAME}): (?:command )?not found$",
    rf"^(?:\S*/)?\w*sh: (?P<name>{_NAME}): (?:command )?not found$",
    rf"^make(?:\[\d+\])?: (?P<name>{_NAME}): Command not found$",
    # coreutils, findutils
    rf"^(?:\S*/)?env: {_QUOTE}?(?P<name>{_NAME}){_END}?: {_NO_FILE}$",
    rf"^(?:\S*/)?xargs: (?P<name>{_NAME}): {_NO_FILE}$",
    rf"failed to run command {_QUOTE}(?P<name>{_NAME}){_END}: {_NO_FILE}$",
    # Go's programs; a container runtime about a command's first program
    rf"exec: \"(?P<name>{_NAME})\": executable file not found in \$PATH",
    # distutils, setuptools
    rf"[Ee]rror: command {_QUOTE}(?P<name>{_NAME}){_END} failed: {_NO_FILE}$",
    rf"unable to execute {_QUOTE}(?P<name>{_NAME}){_END}: {_NO_FILE}$",
    # Perl (autotools), node
    rf"Can't exec \"(?P<name>{_NAME})\": {_NO_FILE}",
    rf"\bspawn (?P<name>{_NAME}) ENOENT\b",
    # CMake; "-- Could NOT find" alone is no error
    rf"Could not find {_NAME} using the following names: (?P<name>{_NAME})",
    r"build program corresponding to \"(?P<generator>Ninja|Unix Makefiles)\"",
    r"^Could NOT find \w+ \(missing:.*?\b(?P<variable>[A-Za-z0-9_]+)_EXECUTABLE\b",
    # meson, meson-python, scikit-build-core
    rf"ERROR: Program(?:\(s\))? \[?{_QUOTE}(?P<name>{_NAME}){_END}.* not found",
    r"Could not (?:detect|find) (?P<cased>CMake|Ninja|Meson)(?: with)? (?:v|version)",
)
# A missing file gives the same words, so these need a second sign.
_MAKE = re.compile(rf"^make(?:\[\d+\])?: (?P<name>{_NAME}): {_NO_FILE}$")
_MAKE_SIGN = re.compile(r"^make(?:\[\d+\])?: \*\*\* .*Error 127\b")
_PYTHON = re.compile(rf"^FileNotFoundError: .*{_NO_FILE}: {_QUOTE}(?P<name>{_NAME}){_END}$")
_PYTHON_SIGN = re.compile(r"_execute_child|_posix_spawn|\bexecv|_execvpe|in _spawn")
_SIGN_WITHIN = 12

_ADDRESS_WITHIN = 3

_GENERATORS = {"Ninja": "ninja", "Unix Makefiles": "make"}
_UNREACHABLE = re.compile(
    r"Temporary failure (?:in name resolution|resolving)|Network is unreachable"
    r"|Could(?: not|n't) resolve host|Name or service not known|unable to resolve host address|EAI_AGAIN"
    r"|network is unreachable|No route to host",
)
# QEMU; Python's faulthandler; its subprocess module; a shell
ILLEGAL_INSTRUCTION = re.compile(
    r"uncaught target signal 4 \(|Fatal Python error: Illegal instruction|died with <Signals\.SIGILL"
    r"|^Illegal instruction(?: \(core dumped\))?$|: line \d+: +\d+ Illegal instruction\b"
)
# The same of SIGFPE
FLOATING_POINT = re.compile(
    r"uncaught target signal 8 \(|Fatal Python error: Floating[- ]point exception|died with <Signals\.SIGFPE"
    r"|\((?:signal 8|exit status 136)\)"
)
BUS_ERROR = re.compile(
    r"uncaught target signal 7 \(|Fatal Python error: Bus error|died with <Signals\.SIGBUS"
    r"|^Bus error(?: \(core dumped\))?$|: line \d+: +\d+ Bus error\b"
)
# meson dist
WANTS_REPOSITORY = re.compile(r"^Dist currently only works with Git or Mercurial repos$")
# pytest, unittest (3.12). pytest prints the first for a wrong call too.
NO_TESTS = re.compile(r"^(?:=+ )?no tests ran in [\d.]+|^NO TESTS RAN$")
NO_TESTS_LEFT = re.compile(r"^(?:=+ )?\d+ deselected in [\d.]+")
# pytest's reasons not to start; the name is what it did not find
PYTEST_REFUSED = re.compile(
    r"^ERROR: (?:file or directory )?not found: (?P<name>.*)"
    r"|^[\w. -]*pytest: error: |^ImportError while loading conftest |^ERROR: Error importing plugin "
)
# the C library's message, which is capitalised, and Go's
FULL_DISK = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_ADDRESSES = compiled(
    r"[a-z][a-z0-9+]*://[^\s'\"<>)\]]+",
    r"host ?= ?'([A-Za-z0-9.-]+)'",
    rf"resolve host(?:name)?(?: address)?:? {_QUOTE}?({_HOST})",
    rf"EAI_AGAIN ({_HOST})",
    rf"failure resolving {_QUOTE}({_HOST})",
)


@dataclass(frozen=True)
class Symptom:
    """A line of the log that shows a failure, and the name in it, such as of a missing program, if any.

    ``question``: the build needs a result that only running a program gives, and did not run one.
    """

    line: str
    name: str | None = None
    question: bool = False


def last(lines: Sequence[str], *patterns: re.Pattern[str]) -> Symptom | None:
    """Return the last line that one of the patterns matches, with its group ``name``, or None."""
    for line in reversed(lines):
        for match in filter(None, (pattern.search(line) for pattern in patterns)):
            return Symptom(line.strip(), match.groupdict().get("name"))
    return None


def missing_program(lines: Sequence[str], is_missing: Callable[[str], bool]) -> Symptom | None:
    """Return the last program that was called and not found, and that ``is_missing`` confirms."""
    for line, name in _suggested(lines):
        if is_missing(name):
            return Symptom(line, name)
    return None


def unreachable(lines: Sequence[str]) -> Symptom | None:
    """Return the last line that reports an unreachable network; CMake prints the address before it."""
    for number in range(len(lines) - 1, -1, -1):
        if _UNREACHABLE.search(lines[number]):
            before = lines[max(0, number - _ADDRESS_WITHIN) : number + 1]
            found = filter(None, map(_address, reversed(before)))
            return Symptom(lines[number].strip(), next(found, None))
    return None


def _address(line: str) -> str | None:
    found = (pattern.search(line) for pattern in _ADDRESSES)
    return next((m[m.lastindex or 0] for m in found if m is not None), None)


def _suggested(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield lines that may name a missing program, the last first, with the name."""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].strip()
        for pattern in _CALLED:
            if match := pattern.search(line):
                yield line, _program(match)
        after, before = lines[number + 1 :], lines[max(0, number - _SIGN_WITHIN) : number]
        if (match := _MAKE.search(line)) and any(map(_MAKE_SIGN.search, after)):
            yield line, match["name"]
        if (match := _PYTHON.search(line)) and any(map(_PYTHON_SIGN.search, before)):
            yield line, match["name"]


def _program(match: re.Match[str]) -> str:
    found = {group: text for group, text in match.groupdict().items() if text}
    if "generator" in found:
        return _GENERATORS[found["generator"]]
    if "variable" in found:
        return found["variable"].lower().replace("_", "-")
    return found["cased"].lower() if "cased" in found else found["name"]
