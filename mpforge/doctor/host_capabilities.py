"""Derive a host's abilities for a target: how it builds, what images add, how tests run.

Knows nothing of how facts about the host and its runtime were collected.
"""

from dataclasses import dataclass
from typing import Literal

from mpforge.compiler import strategies
from mpforge.doctor.container_runtime import ContainersFact, packages
from mpforge.obtain import emulators
from mpforge.places.containers import root_probe
from mpforge.places.containers.runtime_probe import NATIVE
from mpforge.places.isolation import isolation
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import DistroRequest
from mpforge.plan.sessions import Choice
from mpforge.platforms import Platform, well_known

NOT_YET = "not available yet in this version of mpforge"


@dataclass(frozen=True)
class BuildAbility:
    """This host's way to build for a target, if any; ``remedy`` says how to enable it."""

    how: Literal["native", "cross", "no"]
    why: str
    remedy: str | None = None


@dataclass(frozen=True)
class TestAbility:
    """This host's way to run a target's programs, if any.

    ``emulator`` and ``version`` are the host's own emulator, ``package`` is the distribution's package that
    has one; ``cpu`` is the model that tests run on.
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    how: Literal["native", "emulated", "no"]
    why: str
    emulator: str | None = None
    version: str | None = None
    package: str | None = None
    cpu: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class ImageAbility:
    """The strategies for building a target in an image; ``why`` (or why not), and the remedy."""

    strategies: tuple[str, ...]
    why: str
    remedy: str | None = None


@dataclass(frozen=True)
class TargetAbility:
    """A well-known target; ``available``: this version has working sessions for it.

    ``build`` is the best way without a container, ``images`` the ways with one.
    """

    name: str
    available: bool
    build: BuildAbility
    images: ImageAbility
    test: TestAbility


def of_targets(host: HostFacts, containers: ContainersFact) -> tuple[TargetAbility, ...]:
    """Return a host's abilities for each well-known target."""
    return tuple(
        TargetAbility(
            name=name,
            available=platform.available,
            build=build_ability(platform, host),
            images=image_ability(platform, host, containers),
            test=test_ability(
                platform,
                host,
                emulators.host_emulator(platform),
                emulators.distro_request(platform),
            ),
        )
        for name, platform in well_known().items()
    )


def build_ability(platform: Platform, host: HostFacts) -> BuildAbility:
    """Return how this host builds for a platform, given a build backend that cross-compiles."""
    if not platform.available:
        return BuildAbility("no", NOT_YET)
    if host.platform is None:
        return BuildAbility(
            "no",
            f"builds run on Linux with glibc; this is {host.system}",
            "use a Linux machine, container or CI job; check, plan, lock and matrix work here",
        )
    choice = strategies.choose(_wanted(platform), host, None)
    if not isinstance(choice, Choice):
        return BuildAbility("no", choice.why or choice.what, choice.hint)
    if choice.strategy == "native":
        return BuildAbility("native", f"{choice.toolchain}, {choice.policy}")
    backends = "the common build backends, make, commands, cmake, meson, autotools"
    return BuildAbility("cross", f"{choice.toolchain}, {choice.policy}: {backends}")


def image_ability(platform: Platform, host: HostFacts, containers: ContainersFact) -> ImageAbility:
    """Return the strategies that containers add for building for a platform."""
    if not platform.available:
        return ImageAbility((), NOT_YET)
    if host.platform is None:
        return ImageAbility((), f"builds run on Linux with glibc; this is {host.system}")
    runtime, run = containers.engine, containers.run(platform.name)
    if runtime is None or run is None:
        lack = ImageAbility((), containers.why or strategies.NO_RUNTIME, containers.remedy)
        here = runtime is None and host.roots and isolation().has_root
        return _without_runtime(platform, host, lack) if here else lack
    if run.how == "no":
        return ImageAbility(
            (), run.why or "the container runtime does not run its programs", run.remedy
        )
    runs = f"{runtime.name} runs it natively"
    if run.how == "emulated":
        runs = f"{runtime.name} runs it with QEMU {run.qemu}" if run.qemu else run.why or ""
    if platform.name == host.platform:
        return ImageAbility(("native",), runs)
    verdicts = (("hybrid", strategies.hybrid), ("emulate", strategies.emulate))
    able = [name for name, verdict in verdicts if verdict(_wanted(platform), host).can]
    if runtime.platform != host.platform and "hybrid" in able:
        # The compiler that is put into the image runs on this host's machine.
        able.remove("hybrid")
        runs += (
            f"; not hybrid: the container runtime's machine is {runtime.platform}, this one "
            f"{host.platform}"
        )
    return ImageAbility(tuple(able), runs)


def _without_runtime(platform: Platform, host: HostFacts, lack: ImageAbility) -> ImageAbility:
    """Return the strategies for images that run in mpforge's sandbox; ``lack`` says why none answers."""
    runs = root_probe.ask(platform)
    if runs != NATIVE and (found := emulators.host_emulator(platform, static=True)) is not None:
        runs = root_probe.ask(platform, root_probe.emulator(found.path, platform)) or runs
    if not runs:
        names, missing = packages(), f"this host has no static QEMU for {platform.name}"
        return ImageAbility((), missing, f"apt-get install {names}" if names else None)
    how = "natively" if runs == NATIVE else f"by {runs}"
    able = ("native",) if platform.name == host.platform else ("hybrid", "emulate")
    why = f"this host runs it {how}, without a container runtime"
    if host.container_runtime:  # one that is set up is used, even if it does not answer
        remedy = 'set runtime = "sandbox" in [build]'
        return ImageAbility((), f"{lack.why}; in mpforge's sandbox, {why}", remedy)
    return ImageAbility(able, why)


def _wanted(platform: Platform) -> strategies.Wanted:
    """Return the request of a spec with only defaults, built by the user's own commands."""
    return strategies.Wanted(
        platform.name, platform, "auto", "auto", platform.default_policy, backend=None
    )


def test_ability(
    platform: Platform,
    host: HostFacts,
    emulator: emulators.Emulator | None,
    request: DistroRequest | None,
) -> TestAbility:
    """Return how the platform's programs run here; ``request`` is the distribution's emulator package."""
    if host.platform == platform.name:
        return TestAbility("native", f"this host is {platform.name}")
    if host.platform is None:
        return TestAbility("no", f"tests run on Linux with glibc; this is {host.system}")
    cpu = platform.baseline_cpu
    program = (platform.qemu or "").removesuffix("-static")
    if emulator is not None:
        why = f"{program} {emulator.version} of this host"
        return TestAbility(
            "emulated", why, emulator=str(emulator.path), version=emulator.version, cpu=cpu
        )
    if platform.qemu and request is not None:
        package = f"{request.names[0]} of {request.distribution} {request.suite}"
        why = f"{program}, fetched when needed: {package}"
        return TestAbility("emulated", why, package=package, cpu=cpu)
    error = emulators.no_emulator(platform)
    return TestAbility("no", error.why or "this host has no emulator for it", remedy=error.hint)
