"""Every error that mpforge shows to a user, as data.

An error has a stable kebab-case ``code``, an exit code, what happened, and optionally a place in a
file, a reason and a remedy. Text is composed in ``render`` alone. This module knows nothing of who
raises an error, nor of terminals.
"""

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


# --- the spec, the lock or the command line is wrong: exit 2 ---------------------------------


class WrongInput(MpforgeError):
    """The spec, the lock or the command line is wrong."""

    code = "wrong-input"
    exit_code = ExitCode.WRONG_INPUT


class SpecInvalid(WrongInput):
    """The spec has problems; ``problems`` holds every one of them, in file order."""

    code = "spec-invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        errors = [problem for problem in problems if not problem.warning]
        count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        file = problems[0].place.file if problems else "the spec"
        super().__init__(f"{count} in {file}", why="\n".join(str(p) for p in problems))
        self.problems = problems


class TomlInvalid(WrongInput):
    """A file that must be TOML is not, or holds what no reader can bear."""

    code = "toml-invalid"


class SpecNotFound(WrongInput):
    """There is no spec where one was looked for."""

    code = "spec-not-found"


class SourceMissing(WrongInput):
    """``project.source`` names nothing that can be built."""

    code = "source-missing"


class SourceUnreadable(WrongInput):
    """The project's files can't be listed or unpacked safely."""

    code = "source-unreadable"


class LockInvalid(WrongInput):
    """``multiplatform.lock`` can't be read."""

    code = "lock-invalid"


class PinMissing(WrongInput):
    """``--locked`` (or CI) and the lock has no pin for something that is needed."""

    code = "pin-missing"


class Unresolvable(WrongInput):
    """Requirements that the index answered for, but that nothing satisfies."""

    code = "unresolvable"


class UnknownExtra(WrongInput):
    """The spec names an extra that the project does not have."""

    code = "unknown-extra"


class UnknownGroup(WrongInput):
    """The spec names a dependency group that pyproject.toml does not have."""

    code = "unknown-group"


class UnknownCpu(WrongInput):
    """The emulator knows no CPU model of a name that ``[test] cpus`` gives."""

    code = "unknown-cpu"


class UnknownSession(WrongInput):
    """A session that the spec does not give."""

    code = "unknown-session"


class SessionNameTaken(WrongInput):
    """The noxfile defines a session that ``register()`` would define too."""

    code = "session-name-taken"


class ImageNameWrong(WrongInput):
    """What the spec gives as an image can't be the name of one."""

    code = "image-name-wrong"


class NothingSelected(MpforgeError):
    """The command line selects no session."""

    code = "nothing-selected"
    exit_code = ExitCode.NOTHING_SELECTED


# --- this host can't do it: exit 4 ------------------------------------------------------------


class HostCannot(MpforgeError):
    """This host can't do what the spec asks; the hint says what would make it able."""

    code = "host-cannot"
    exit_code = ExitCode.HOST_CANNOT


class NotAvailableYet(HostCannot):
    """The spec's vocabulary has it, this version of mpforge does not build it."""

    code = "not-available-yet"


class NoStrategy(HostCannot):
    """No strategy can build this target here; ``why`` has each one's reason."""

    code = "no-strategy"


class NoHostPython(HostCannot):
    """A CPython of the wanted minor version, or its headers, can't be had on this host."""

    code = "no-host-python"


class NoEmulator(HostCannot):
    """The target's programs can't be run here and no emulator can be obtained."""

    code = "no-emulator"


class NoTargetPython(HostCannot):
    """No provider has a Python of this version for the target."""

    code = "no-target-python"


class ToolUnavailable(HostCannot):
    """A tool that is needed can't be found or obtained on this host."""

    code = "tool-unavailable"


class IndexUnreachable(HostCannot):
    """The package index, a mirror or an archive did not answer."""

    code = "index-unreachable"


class PinGone(HostCannot):
    """A pinned thing that its origin no longer has, and the store neither."""

    code = "pin-gone"


class HashMismatch(HostCannot):
    """What an origin sent is not what the lock pins."""

    code = "hash-mismatch"


# --- a step failed: exit 1 --------------------------------------------------------------------


class StepFailed(MpforgeError):
    """A command of a step ended with an error."""

    code = "step-failed"


class ToolNotDeclared(StepFailed):
    """A step called a program that is neither in the base set nor declared."""

    code = "tool-not-declared"


class HostLeak(StepFailed):
    """A build for another machine names headers or libraries of this host; ``why`` has the calls."""

    code = "host-leak"


class ForeignFlag(StepFailed):
    """A build asks the compiler for what only another kind of CPU has."""

    code = "foreign-flag"


class OpenmpUnavailable(StepFailed):
    """A build asks for OpenMP (``-fopenmp``, ``omp.h``), and there is no runtime of the target."""

    code = "openmp-unavailable"


class UnknownOption(StepFailed):
    """A build gives a compiler or linker an option that it does not know and that can't be left out."""

    code = "unknown-option"


class LibraryMissing(StepFailed):
    """A build needs a header or a library that the target does not have."""

    code = "library-missing"


class RanTargetProgram(StepFailed):
    """A build runs a program of the target's, which this host can't, or not so."""

    code = "ran-target-program"


class NetworkRefused(StepFailed):
    """A step tried to reach the network, which it has not declared; ``what`` names the address."""

    code = "network-refused"


class StepTimeout(StepFailed):
    """A step ran longer than its ``timeout``."""

    code = "step-timeout"


class ToolAltered(StepFailed):
    """A step changed a tool of the store while it ran: what it gave can't be trusted."""

    code = "tool-altered"


class OutputMissing(StepFailed):
    """A step ended well, but something that it declares as output is not there."""

    code = "output-missing"


class NoExtension(StepFailed):
    """A wheel that lacks extension modules which failed to build."""

    code = "no-extension"


class WheelRejected(StepFailed):
    """What was built breaks the promise of its tag; ``why`` has each reason."""

    code = "wheel-rejected"


class UndefinedSymbol(StepFailed):
    """A result has a symbol that nothing on the target defines; ``why`` has files and symbols."""

    code = "undefined-symbol"


class StableAbiBroken(StepFailed):
    """A wheel that promises to serve many Pythons holds what is for one; ``why`` has files and symbols."""

    code = "abi3-violation"


class RequirementNotBuilt(StepFailed):
    """A requirement without a fitting wheel that can't be built into a pure one; ``why`` has the reason."""

    code = "requirement-not-built"


class TestsFailed(StepFailed):
    """The test command ended with an error."""

    code = "tests-failed"


class IllegalInstruction(TestsFailed):
    """A program of the tests ended by an instruction that its CPU does not have; ``why`` has the place."""

    code = "illegal-instruction"


class ImportedElsewhere(StepFailed):
    """A test imported the package from another place than the installed wheel."""

    code = "imported-elsewhere"


class WrongMachine(StepFailed):
    """What ran was not what the plan says: another machine or CPU model answered."""

    code = "wrong-machine"


class DistConflict(StepFailed):
    """Publishing would replace a file of ``dist/`` that is not this session's."""

    code = "dist-conflict"
    enterable = False


class Damaged(StepFailed):
    """A blob or an entry of the store is not what its name says, or is gone: a miss, made again."""

    code = "store-damaged"


class ArchiveRefused(StepFailed):
    """An archive has an entry that could escape its directory, or is no plain file."""

    code = "archive-refused"


class NoEngine(HostCannot):
    """No container engine answers."""

    code = "no-engine"


class EngineCannotRun(HostCannot):
    """The container engine does not run programs of a platform: there is no emulator for it."""

    code = "engine-cannot-run"


class ImageUnknown(HostCannot):
    """There is no image of that name, neither with the engine nor in its registry."""

    code = "image-unknown"


class ImageUnfit(HostCannot):
    """An image is not what a step needs: of another platform, or without the Python."""

    code = "image-unfit"


class RegistryUnreachable(HostCannot):
    """A registry of images did not answer, or not so that it can be understood."""

    code = "registry-unreachable"


class RegistryDenies(HostCannot):
    """A registry of images wants other credentials than there are."""

    code = "registry-denies"


class EngineRefuses(StepFailed):
    """The container engine refused what a step needs, in its own words."""

    code = "engine-refuses"


class EngineLost(StepFailed):
    """The container engine stopped, or lost the container, while a step ran."""

    code = "engine-lost"


class EngineFull(StepFailed):
    """The disk on which the container engine keeps images and containers is full."""

    code = "engine-full"


class FileTrouble(HostCannot):
    """The file system refuses what mpforge must do: read-only, no permission, a file in the way."""

    code = "file-trouble"


class Interrupted(MpforgeError):
    """Ctrl-C or SIGTERM."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
