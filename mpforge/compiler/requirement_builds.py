"""Compile the builds of test requirements without a wheel for the target: from an sdist to a checked wheel.

Only resolving shows which requirements these are. So the plan has what their builds need
(``missing_wheels``), and the session makes the steps. They are the steps of any wheel, so their results are
shared. Pure, and light: cached sessions import it too.
"""

from dataclasses import replace

from mpforge.compiler import backends, build_environments
from mpforge.plan.pins import EnvironmentRequest, Package, build_request
from mpforge.plan.places import Machine
from mpforge.plan.steps import (
    AskRequirements,
    BuildWheel,
    FetchSdist,
    MissingWheels,
    OutputOf,
    RepairWheel,
    Step,
    Tools,
    Variables,
)
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known

_TIMEOUT = 7200  # seconds, as for any build


def steps(
    package: Package, request: EnvironmentRequest, missing: MissingWheels, host: str
) -> tuple[Step, ...]:
    """Return the steps that make a package's wheel for the target of a request; the last is the result."""
    target, python = request.target, request.python
    named = f"{package.name} {package.version}"
    stem = f"{package.name}-{target}-{python}"
    source = OutputOf(f"sdist-{package.name}")
    fetch = FetchSdist(package.name, package.version, package.hashes[0], python)
    compilers = _configured(missing.compilers, package)
    given, libs = Variables(missing.exports), missing.libraries
    ask = AskRequirements(
        "wheel",
        source,
        OutputOf(f"base-{stem}"),
        python,
        replace(compilers, configurer=None, emulator=None),
        libraries=libs,
    )
    wheel = BuildWheel(
        source=source,
        exclude=(),
        tests=(),
        environment=OutputOf(f"environment-{stem}"),
        python=python,
        compilers=compilers,
        libraries=libs,
    )
    # What its authors let fail does not matter for a requirement: it works without.
    repair = RepairWheel(
        wheel=OutputOf(f"wheel-{stem}"),
        target=target,
        python=python,
        policy=compilers.policy,
        pure=True,
        optional=("*",),
        libraries=libs,
        identities=missing.identities,
    )
    wanted = build_request(package, python, host)
    title = f"the wheel of {named} for {target}, {python}"
    return (
        Step(source.step, f"the sdist of {named}", fetch),
        *build_environments.steps(wanted, ask, given, _TIMEOUT, f"{{}}-{stem}"),
        Step(f"wheel-{stem}", title, wheel, given, _TIMEOUT, tools=Tools(missing.tools)),
        Step(f"repair-{stem}", f"repair and verify the wheel of {named}", repair),
    )


def _configured(compilers: Compilers, package: Package) -> Compilers:
    """Return the compilers as a package's backend needs them."""
    configurer = backends.configurer_of(package.build_requires)
    runs = compilers.cross and configurer in ("cmake", "meson")
    baseline = well_known()[compilers.target].baseline_cpu
    return replace(
        compilers,
        configurer=configurer,
        emulator=Machine(compilers.target, True, baseline) if runs else None,
    )
