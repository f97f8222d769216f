"""The base class of all errors, their exit codes, and the functions that compose their text."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """The exit codes of every mpforge command (docs/contract.md, "Command line")."""

    DONE = 0
    STEP_FAILED = 1
    WRONG_INPUT = 2
    NOTHING_SELECTED = 3
    HOST_CANNOT = 4
    INTERRUPTED = 130


def first_of(codes: Iterable[int]) -> ExitCode:
    """Return the exit code of several failures: a failed step's first, then a wrong spec's, then a host's."""
    known = set(codes)
    order = (ExitCode.STEP_FAILED, ExitCode.WRONG_INPUT, ExitCode.HOST_CANNOT)
    return next((code for code in order if code in known), ExitCode.STEP_FAILED)


@dataclass(frozen=True)
class Place:
    """A place in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One problem of the spec: its place, the dotted key, what was expected, a near match."""

    code: str
    message: str
    place: Place
    key: str = ""
    nearest: str | None = None
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        near = f" (did you mean {self.nearest}?)" if self.nearest else ""
        return f"{self.place}: {kind}{self.code}: {self.message}{near}"


class MpforgeError(Exception):
    """Base of all errors shown to a user.

    ``what`` is one sentence; ``why`` the cause as far as it is known; ``hint`` the remedy;
    ``place`` a place in a file; ``enterable``: there is a step that `mpforge shell` could open.
    A subclass names its ``code`` (unique, by a test), and its ``exit_code`` unless it is the base's.
    """

    code: ClassVar[str] = "error"
    kinds: ClassVar[dict[str, "type[MpforgeError]"]] = {}
    """All subclasses, by code."""
    exit_code: ClassVar[ExitCode] = ExitCode.STEP_FAILED
    enterable = True

    def __init_subclass__(cls, *, code: str) -> None:
        cls.code = code
        cls.kinds[code] = cls

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.place = place

    def told(self, words: Callable[[str], str]) -> Self:
        """Return the same error with ``words`` applied to its texts."""
        other = copy.copy(self)
        other.what = words(self.what)
        other.why = self.why and words(self.why)
        other.hint = self.hint and words(self.hint)
        return other

    def __str__(self) -> str:
        return render(self)


UPDATE = "update mpforge"
"""The remedy for a record that ``written_by_newer`` refuses."""


def written_by_newer(what: str, number: object, known: int, *, name: str = "schema") -> str:
    """Return the sentence that refuses a record with a format ``number`` above the ``known`` one."""
    return f"{what} was written by a newer mpforge ({name} {number}; this one knows {known})"


def render(error: MpforgeError) -> str:
    """Compose an error's text: place, code, what, then why and remedy on separate lines."""
    place = f"{error.place}: " if error.place else ""
    lines = [f"{place}{error.code}: {error.what}"]
    if error.why:
        lines += [f"  {line}" for line in error.why.rstrip().splitlines()]
    if error.hint:
        lines.append(f"  -> {error.hint}")
    return "\n".join(lines)


def headline(error: MpforgeError) -> str:
    """Compose an error on one line: place, code, what, and the first meaningful line of its cause."""
    place = f"{error.place}: " if error.place else ""
    first, _, more = (error.why or "").strip().partition("\n")
    if first.endswith(":") and more:  # it only introduces the next line
        next_line, _, more = more.partition("\n")
        first = f"{first} {next_line.strip()}"
    cause = f": {first}{' …' if more else ''}" if first else ""
    return f"{place}{error.code}: {error.what}{cause}"
