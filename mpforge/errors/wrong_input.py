"""Errors of the spec, the lock or the command line: exit 2, or 3 where nothing is selected."""

from mpforge.errors.base import ExitCode, MpforgeError, Problem


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
    """A file is not valid TOML, or is beyond the limits of its readers."""

    code = "toml-invalid"


class SpecNotFound(WrongInput):
    """The spec does not exist."""

    code = "spec-not-found"


class SourceMissing(WrongInput):
    """``project.source`` is not a source that can be built."""

    code = "source-missing"


class SourceUnreadable(WrongInput):
    """The project's files can't be listed or unpacked safely."""

    code = "source-unreadable"


class LockInvalid(WrongInput):
    """``multiplatform.lock`` can't be read."""

    code = "lock-invalid"


class PinMissing(WrongInput):
    """The lock lacks a needed pin, and ``--locked`` (or CI) forbids to add it."""

    code = "pin-missing"


class Unresolvable(WrongInput):
    """No distribution on the index satisfies the requirements."""

    code = "unresolvable"


class UnknownExtra(WrongInput):
    """The spec names an extra that the project does not have."""

    code = "unknown-extra"


class UnknownGroup(WrongInput):
    """The spec names a dependency group that pyproject.toml does not have."""

    code = "unknown-group"


class UnknownCpu(WrongInput):
    """``[test] cpus`` names a CPU model that the emulator does not know."""

    code = "unknown-cpu"


class UnknownSession(WrongInput):
    """The spec defines no session of this name."""

    code = "unknown-session"


class SessionNameTaken(WrongInput):
    """The noxfile defines a session that ``register()`` would define too."""

    code = "session-name-taken"


class ImageNameWrong(WrongInput):
    """An image name in the spec is malformed."""

    code = "image-name-wrong"


class NothingSelected(MpforgeError):
    """The command line selects no session."""

    code = "nothing-selected"
    exit_code = ExitCode.NOTHING_SELECTED
