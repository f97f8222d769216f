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
    """An archive has an entry that could escape its directory, or is not a regular file."""

    code = "archive-refused"


class EngineRefuses(StepFailed):
    """The container engine refused what a step needs, in its own words."""

    code = "engine-refuses"


class EngineLost(StepFailed):
    """The container engine stopped, or lost the container, while a step ran."""

    code = "engine-lost"


class EngineFull(StepFailed):
    """The disk on which the container engine keeps images and containers is full."""

    code = "engine-full"
