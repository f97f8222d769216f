"""Errors of a step that failed: exit 1."""

from mpforge.errors.base import MpforgeError


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


class RanTargetProgram(StepFailed, code="ran-target-program"):
    """A build runs a program of the target, which this host can't run, or not in this way."""


class NetworkRefused(StepFailed, code="network-refused"):
    """A step tried to reach the network without declaring it; ``what`` names the address."""


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
