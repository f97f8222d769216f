"""Errors of the spec, the lock or the command line: exit 2, or 3 where nothing is selected."""

from mpforge.errors.base import ExitCode, MpforgeError, Problem


class WrongInput(MpforgeError, code="wrong-input"):
    """The spec, the lock or the command line is wrong."""

    exit_code = ExitCode.WRONG_INPUT


class SpecInvalid(WrongInput, code="spec-invalid"):
    """The spec has problems; ``problems`` holds every one of them, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        errors = [problem for problem in problems if not problem.warning]
        count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        file = problems[0].place.file if problems else "the spec"
        super().__init__(f"{count} in {file}", why="\n".join(str(p) for p in problems))
        self.problems = problems


class TomlInvalid(WrongInput, code="toml-invalid"):
    """A file is not valid TOML, or is beyond the limits of its readers."""


class SpecNotFound(WrongInput, code="spec-not-found"):
    """The spec does not exist."""


class SourceMissing(WrongInput, code="source-missing"):
    """``project.source`` is not a source that can be built."""


class SourceUnreadable(WrongInput, code="source-unreadable"):
    """The project's files can't be listed or unpacked safely."""


class LockInvalid(WrongInput, code="lock-invalid"):
    """``multiplatform.lock`` can't be read."""


class PinMissing(WrongInput, code="pin-missing"):
    """The lock lacks a needed pin, and ``--locked`` (or CI) forbids to add it."""


class Unresolvable(WrongInput, code="unresolvable"):
    """No distribution on the index satisfies the requirements."""


class UnknownExtra(WrongInput, code="unknown-extra"):
    """The spec names an extra that the project does not have."""


class UnknownGroup(WrongInput, code="unknown-group"):
    """The spec names a dependency group that pyproject.toml does not have."""


class UnknownCpu(WrongInput, code="unknown-cpu"):
    """``[test] cpus`` names a CPU model that the emulator does not know."""


class UnknownSession(WrongInput, code="unknown-session"):
    """The spec defines no session of this name."""


class SessionNameTaken(WrongInput, code="session-name-taken"):
    """The noxfile defines a session that ``register()`` would define too."""


class ImageNameWrong(WrongInput, code="image-name-wrong"):
    """An image name in the spec is malformed."""


class NothingSelected(MpforgeError, code="nothing-selected"):
    """The command line selects no session."""

    exit_code = ExitCode.NOTHING_SELECTED
