"""Errors of a step that failed: exit 1."""

from mpforge.errors.base import MpforgeError


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
    """A build gives the compiler an option for another kind of CPU."""

    code = "foreign-flag"


class OpenmpUnavailable(StepFailed):
    """A build uses OpenMP (``-fopenmp``, ``omp.h``), and there is no runtime for the target."""

    code = "openmp-unavailable"


class UnknownOption(StepFailed):
    """A build gives a compiler or linker an unknown option that can't be dropped."""

    code = "unknown-option"


class LibraryMissing(StepFailed):
    """A build needs a header or a library that the target does not have."""

    code = "library-missing"


class RanTargetProgram(StepFailed):
    """A build runs a program of the target, which this host can't run, or not in this way."""

    code = "ran-target-program"


class NetworkRefused(StepFailed):
    """A step tried to reach the network without declaring it; ``what`` names the address."""

    code = "network-refused"


class StepTimeout(StepFailed):
    """A step ran longer than its ``timeout``."""

    code = "step-timeout"


class ToolAltered(StepFailed):
    """A step changed a tool of the store while it ran: its result can't be trusted."""

    code = "tool-altered"


class OutputMissing(StepFailed):
    """A step succeeded without creating one of its declared outputs."""

    code = "output-missing"


class NoExtension(StepFailed):
    """A wheel lacks extension modules that failed to build."""

    code = "no-extension"


class WheelRejected(StepFailed):
    """A build result breaks the promise of its tag; ``why`` has each reason."""

    code = "wheel-rejected"


class UndefinedSymbol(StepFailed):
    """A result has a symbol that nothing on the target defines; ``why`` has files and symbols."""

    code = "undefined-symbol"


class StableAbiBroken(StepFailed):
    """A wheel for many Pythons has files or symbols for only one; ``why`` lists them."""

    code = "abi3-violation"


class RequirementNotBuilt(StepFailed):
    """A requirement without a fitting wheel that can't be built into a pure one; ``why`` has the reason."""

    code = "requirement-not-built"


class TestsFailed(StepFailed):
    """The test command ended with an error."""

    code = "tests-failed"


class IllegalInstruction(TestsFailed):
    """A test's program executed an instruction that its CPU lacks; ``why`` has the place."""

    code = "illegal-instruction"


class ImportedElsewhere(StepFailed):
    """A test imported the package from another place than the installed wheel."""

    code = "imported-elsewhere"


class WrongMachine(StepFailed):
    """Tests ran on another machine or CPU model than the plan says."""

    code = "wrong-machine"


class DistConflict(StepFailed):
    """Publishing would replace a file of ``dist/`` that this session did not make."""

    code = "dist-conflict"
    enterable = False


class Damaged(StepFailed):
    """A blob or an entry of the store is corrupt or gone; treated as a miss and made again."""

    code = "store-damaged"


class ArchiveRefused(StepFailed):
    """An archive has an entry that could escape its directory, or is not a regular file."""

    code = "archive-refused"


class RuntimeRefuses(StepFailed):
    """The container runtime refused a step's request; ``why`` is its message, if any."""

    code = "engine-refuses"


class RuntimeLost(StepFailed):
    """The container runtime stopped, or lost the container, while a step ran."""

    code = "engine-lost"


class RuntimeFull(StepFailed):
    """The disk on which the container runtime keeps images and containers is full."""

    code = "engine-full"
