"""What all errors have in common, their exit codes, and the one place where their text is composed."""

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
    """What several failures exit with: a failed step counts before a wrong spec, that before a host."""
    known = set(codes)
    order = (ExitCode.STEP_FAILED, ExitCode.WRONG_INPUT, ExitCode.HOST_CANNOT)
    return next((code for code in order if code in known), ExitCode.STEP_FAILED)


@dataclass(frozen=True)
class Place:
    """Where in a file something stands; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the spec: its place, the dotted key, what was expected, a near match."""

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

    ``what`` is one sentence; ``why`` what is known of the cause; ``hint`` what to do about it;
    ``place`` where in a file; ``enterable`` whether there is a step that `mpforge shell` could open.
    Subclasses fix ``code`` (unique, by a test) and ``exit_code``.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.STEP_FAILED
    enterable = True

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
        """The same error, with ``words`` of what its texts were."""
        other = copy.copy(self)
        other.what = words(self.what)
        other.why = self.why and words(self.why)
        other.hint = self.hint and words(self.hint)
        return other

    def __str__(self) -> str:
        return render(self)


UPDATE = "update mpforge"
"""The remedy for a record that ``written_by_newer`` is said of."""


def written_by_newer(what: str, number: object, known: int, *, name: str = "schema") -> str:
    """The sentence that refuses a record of a ``number`` above the one that this version reads."""
    return f"{what} was written by a newer mpforge ({name} {number}; this one knows {known})"


def render(error: MpforgeError) -> str:
    """Compose an error's text: place, code, what, then why and remedy on lines of their own."""
    place = f"{error.place}: " if error.place else ""
    lines = [f"{place}{error.code}: {error.what}"]
    if error.why:
        lines += [f"  {line}" for line in error.why.rstrip().splitlines()]
    if error.hint:
        lines.append(f"  -> {error.hint}")
    return "\n".join(lines)


def headline(error: MpforgeError) -> str:
    """An error on one line: its place, code and what, and the first line of its cause that says something."""
    place = f"{error.place}: " if error.place else ""
    first, _, more = (error.why or "").strip().partition("\n")
    if first.endswith(":") and more:  # it only announces the next line
        next_line, _, more = more.partition("\n")
        first = f"{first} {next_line.strip()}"
    cause = f": {first}{' …' if more else ''}" if first else ""
    return f"{place}{error.code}: {error.what}{cause}"


class Interrupted(MpforgeError):
    """Ctrl-C or SIGTERM."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
