"""Every error that mpforge shows to a user, as data.

An error has a stable kebab-case ``code``, an exit code, what happened, and optionally a place in a file, a
reason and a remedy. ``reference.md`` (docs/errors.md) explains each code. Knows nothing of who raises an
error, nor of terminals.
"""

from mpforge.errors.base import (
    UPDATE as UPDATE,
    ExitCode as ExitCode,
    MpforgeError as MpforgeError,
    Place as Place,
    Problem as Problem,
    first_of as first_of,
    headline as headline,
    render as render,
    written_by_newer as written_by_newer,
)


class Interrupted(MpforgeError, code="interrupted"):
    """Ctrl-C or SIGTERM."""

    exit_code = ExitCode.INTERRUPTED


# --- a step that failed: exit 1 ---------------------------------------------------------------


class StepFailed(MpforgeError, code="step-failed"):
    """A command of a step ended with an error."""


class ToolNotDeclared(StepFailed, code="tool-not-declared"):
    """A step called a program that is neither in the base set nor declared."""


class HostLeak(StepFailed, code="host-leak"):
    """A build for another machine names headers or libraries of this host; ``why`` has the calls."""


class ForeignFlag(StepFailed, code="foreign-flag"):
    """A build gives the compiler an option for another kind of CPU."""


class OpenmpUnavailable(StepFailed, code="openmp-unavailable"):
    """A build uses OpenMP (``-fopenmp``, ``omp.h``), and there is no runtime for the target."""


class UnknownOption(StepFailed, code="unknown-option"):
    """A build gives a compiler or linker an unknown option that can't be dropped."""


class LibraryMissing(StepFailed, code="library-missing"):
    """A build needs a header or a library that the target does not have."""


class PatchRefused(StepFailed, code="patch-refused"):
    """A patch does not apply to a library's source."""


class RanTargetProgram(StepFailed, code="ran-target-program"):
    """A build runs a program of the target, which this host can't run, or not in this way."""


class NetworkRefused(StepFailed, code="network-refused"):
    """A step tried to reach the network without declaring it; ``what`` names the address."""


class RustTooOld(StepFailed, code="rust-too-old"):
    """A crate needs a newer Rust than the one that builds it; ``what`` has both versions."""


class StepTimeout(StepFailed, code="step-timeout"):
    """A step ran longer than its ``timeout``."""


class ToolAltered(StepFailed, code="tool-altered"):
    """A step changed a tool of the store while it ran: its result can't be trusted."""


class OutputMissing(StepFailed, code="output-missing"):
    """A step succeeded without creating one of its declared outputs."""


class NoExtension(StepFailed, code="no-extension"):
    """A wheel lacks extension modules that failed to build."""


class WheelRejected(StepFailed, code="wheel-rejected"):
    """A build result breaks the promise of its tag; ``why`` has each reason."""


class UndefinedSymbol(StepFailed, code="undefined-symbol"):
    """A result has a symbol that nothing on the target defines; ``why`` has files and symbols."""


class NewerCpuNeeded(StepFailed, code="newer-cpu-needed"):
    """A result has instructions that the oldest promised CPU lacks; ``why`` lists them."""


class StableAbiBroken(StepFailed, code="abi3-violation"):
    """A wheel for many Pythons has files or symbols for only one; ``why`` lists them."""


class RequirementNotBuilt(StepFailed, code="requirement-not-built"):
    """A requirement without a fitting wheel that can't be built into a pure one; ``why`` has the reason."""


class TestsFailed(StepFailed, code="tests-failed"):
    """The test command ended with an error."""


class IllegalInstruction(TestsFailed, code="illegal-instruction"):
    """A test's program executed an instruction that its CPU lacks; ``why`` has the place."""


class ImportedElsewhere(StepFailed, code="imported-elsewhere"):
    """A test imported the package from another place than the installed wheel."""


class WrongMachine(StepFailed, code="wrong-machine"):
    """Tests ran on another machine or CPU model than the plan says."""


class DistConflict(StepFailed, code="dist-conflict"):
    """Publishing would replace a file of ``dist/`` that this session did not make."""

    enterable = False


class ReleaseIncomplete(StepFailed, code="release-incomplete"):
    """``dist/`` lacks files of the plan, or has outdated, changed or untested ones; ``why`` has each."""

    enterable = False


class ReleaseRejected(StepFailed, code="release-rejected"):
    """A file of ``dist/`` that no index would take; ``why`` has each reason."""

    enterable = False


class UploadConflict(StepFailed, code="upload-conflict"):
    """The index has files of the same names with other contents."""

    enterable = False


class UploadFailed(StepFailed, code="upload-failed"):
    """The index did not take a file; ``why`` is its answer."""

    enterable = False


class Damaged(StepFailed, code="store-damaged"):
    """A blob or an entry of the store is corrupt or gone; treated as a miss and made again."""


class ArchiveRefused(StepFailed, code="archive-refused"):
    """An archive has an entry that could escape its directory, or is not a regular file."""


class RuntimeRefuses(StepFailed, code="engine-refuses"):
    """The container runtime refused a step's request; ``why`` is its message, if any."""


class RuntimeLost(StepFailed, code="engine-lost"):
    """The container runtime stopped, or lost the container, while a step ran."""


class RuntimeFull(StepFailed, code="engine-full"):
    """The disk on which the container runtime keeps images and containers is full."""


class CiFileOutdated(MpforgeError, code="ci-file-outdated"):
    """A CI file is not what the spec asks for now."""


# --- the spec, the lock or the command line: exit 2, or 3 where nothing is selected -----------


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


class YamlInvalid(WrongInput, code="yaml-invalid"):
    """A file is not valid YAML, or is beyond the limits of its reader."""


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


class NotStored(WrongInput, code="not-stored"):
    """A session that is to be exported has no stored result."""


class ArchiveInvalid(WrongInput, code="archive-invalid"):
    """An archive to import is damaged, incomplete, or was not written by `mpforge cache export`."""


class CiFileEdited(WrongInput, code="ci-file-edited"):
    """mpforge's part of a CI file was edited by hand."""


class CiFileForeign(WrongInput, code="ci-file-foreign"):
    """There is a CI file that mpforge did not write."""


class ImageNameWrong(WrongInput, code="image-name-wrong"):
    """An image name in the spec is malformed."""


class NothingSelected(MpforgeError, code="nothing-selected"):
    """The command line selects no session."""

    exit_code = ExitCode.NOTHING_SELECTED


# --- a host that can't do what the spec asks: exit 4 ------------------------------------------


class HostCannot(MpforgeError, code="host-cannot"):
    """This host can't do what the spec asks; the hint says what would make it able."""

    exit_code = ExitCode.HOST_CANNOT


class NotAvailableYet(HostCannot, code="not-available-yet"):
    """A feature of the spec's vocabulary that this version of mpforge does not build yet."""


class NoStrategy(HostCannot, code="no-strategy"):
    """No strategy can build this target here; ``why`` has each one's reason."""


class NoHostPython(HostCannot, code="no-host-python"):
    """A CPython of the wanted minor version, or its headers, is not available on this host."""


class NoEmulator(HostCannot, code="no-emulator"):
    """The target's programs can't be run here and no emulator can be obtained."""


class NoTargetPython(HostCannot, code="no-target-python"):
    """No provider has a Python of this version for the target."""


class ToolUnavailable(HostCannot, code="tool-unavailable"):
    """A tool that is needed can't be found or obtained on this host."""


class IndexUnreachable(HostCannot, code="index-unreachable"):
    """The package index, a mirror or an archive did not answer."""


class PinGone(HostCannot, code="pin-gone"):
    """A pinned file is gone from its origin, and is not in the store."""


class HashMismatch(HostCannot, code="hash-mismatch"):
    """A download has another hash than the lock pins."""


class NoContainerRuntime(HostCannot, code="no-engine"):
    """No container runtime answers."""


class RuntimeCannotRun(HostCannot, code="engine-cannot-run"):
    """The container runtime does not run programs of a platform: it has no emulator for it."""


class ImageUnknown(HostCannot, code="image-unknown"):
    """Neither the runtime nor the registry has an image of that name."""


class ImageUnfit(HostCannot, code="image-unfit"):
    """An image does not fit a step: it is for another platform, or lacks the Python."""


class RegistryUnreachable(HostCannot, code="registry-unreachable"):
    """An image registry did not answer, or sent an invalid answer."""


class RegistryDenies(HostCannot, code="registry-denies"):
    """An image registry denies access with the available credentials."""


class FileTrouble(HostCannot, code="file-trouble"):
    """A file operation failed: a read-only file system, no permission, a file in the way."""
