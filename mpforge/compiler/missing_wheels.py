"""Compile what is needed to build test requirements without a wheel for the target, and their libraries."""

from mpforge.compiler import libraries, programs
from mpforge.compiler.decide import Decision
from mpforge.compiler.typed_commands import variables
from mpforge.plan.steps import MissingWheels, Step
from mpforge.plan.toolchains import Compilers, HostZig
from mpforge.spec.model import BuildOptions


def missing_wheels(decision: Decision) -> MissingWheels | None:
    """Return what building a target's test requirements without a wheel needs; None if the spec forbids it.

    They are compiled by zig on this host, however the project itself is.
    """
    test = decision.options.test
    if not test.build_missing_wheels:
        return None
    compilers = _compilers(decision)
    needed, _ = libraries.steps_of(decision, test.libraries, compilers)
    given = BuildOptions(
        libraries=test.libraries, environment=libraries.exports(decision, test.libraries)
    )
    return MissingWheels(
        compilers,
        needed,
        libraries.identities(decision, needed),
        variables(given).values,
        programs.tools(given, decision.compilation.host_platform).wheels,
    )


def library_steps(decision: Decision) -> tuple[Step, ...]:
    """Return the steps of the native libraries that these builds are given."""
    test = decision.options.test
    if not test.build_missing_wheels:
        return ()
    return libraries.steps_of(decision, test.libraries, _compilers(decision))[1]


def _compilers(decision: Decision) -> Compilers:
    host, platform = decision.compilation.host_platform, decision.platform
    zig = HostZig(
        programs.zig_request(decision.build, host), cross=not decision.native or decision.is_pypy
    )
    return Compilers(zig, platform.name, decision.policy, decision.python)
