"""Choose the strategy for building a target on this host: native, cross, hybrid or emulate.

Each strategy is a function that returns whether it can serve, with a reason. Knows nothing of steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mpforge.compiler.backends import Backend
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import StrategyPin
from mpforge.plan.sessions import Choice, Refusal, Strategy
from mpforge.plan.toolchains import OF_IMAGE
from mpforge.platforms import Platform, policy_version

# How builds other than wheels learn of the target (``build_systems``, ``toolchains.machine_files``).
_CROSSED_BY = {
    "commands": "the commands get a cross compiler",
    "make": "make gets a cross compiler on its command line",
    "cmake": "CMake gets the target from a toolchain file",
    "meson": "Meson gets the target from a cross file",
    "autotools": "configure gets the target from --host",
}
INSTALL_RUNTIME = (
    "install Docker (Debian, Ubuntu: apt-get install docker.io) or Podman, or set DOCKER_HOST"
)
NO_RUNTIME = (
    "no container runtime found: DOCKER_HOST is not set, and neither Docker's nor Podman's socket "
    "exists"
)


@dataclass(frozen=True)
class Verdict:
    """A strategy's answer: it can serve or not, and why."""

    can: bool
    why: str


@dataclass(frozen=True)
class Wanted:
    """The request for one target: its platform, the relevant options, the project's backend.

    ``backend`` is None if the ``kind`` is not wheel. ``image`` is the
    target's environment (None: there is none), ``image_given``: the spec names it. ``boxed`` is the
    image of a toolchain that is a cross compiler in an image. ``runtime`` is what shall run images.
    """

    target: str
    platform: Platform
    strategy: str
    toolchain: str
    policy: str
    backend: Backend | None
    image: str | None = ""
    image_given: bool = False
    boxed: str | None = None
    kind: str = "commands"
    runtime: str = "auto"


def runtime(asked: str, host: HostFacts) -> Literal["engine", "sandbox"]:
    """Return what runs images on a host: a container runtime that is set up, else the host itself."""
    by_engine = host.container_runtime or not host.roots
    return "engine" if asked == "engine" or (asked == "auto" and by_engine) else "sandbox"


def _lacks(wanted: Wanted, host: HostFacts) -> str | None:
    """Return why a host can't run an image of the target, or that there is none; None if it can."""
    if wanted.boxed is None and wanted.image is None:
        return f"PyPA keeps no image for {wanted.platform.name}, and [build] image names none"
    if runtime(wanted.runtime, host) == "sandbox":
        return None if host.roots else host.no_roots or NO_RUNTIME
    if host.container_runtime:
        return None
    return (
        NO_RUNTIME
        if wanted.runtime == "engine" or not host.no_roots
        else f"{NO_RUNTIME}; {host.no_roots}"
    )


def _too_old_for_zig(wanted: Wanted) -> str | None:
    """Return why zig can't link for the policy; None if it can, or is not the toolchain."""
    oldest = wanted.platform.zig_policy
    if wanted.boxed is not None or wanted.toolchain not in ("auto", "zig"):
        return None
    if policy_version(wanted.policy) >= policy_version(oldest):
        return None
    return f"zig can't link for {wanted.policy} on {wanted.platform.name}: the oldest policy is {oldest}"


def native(wanted: Wanted, host: HostFacts) -> Verdict:
    """Return the verdict on a native build; in an image, if the spec names one."""
    if (lack := _too_old_for_zig(wanted)) is not None and not wanted.image_given:
        return Verdict(False, lack)
    if host.platform == wanted.platform.name:
        if wanted.image_given and (lack := _lacks(wanted, host)) is not None:
            return Verdict(False, lack)
        if wanted.image_given and wanted.toolchain not in ("auto", "zig", OF_IMAGE):
            return Verdict(False, f"an image does not contain this host's {wanted.toolchain}")
        return Verdict(True, f"this host is {wanted.platform.name}")
    return Verdict(False, f"this host is {host.platform}, not {wanted.platform.name}")


def cross(wanted: Wanted, host: HostFacts) -> Verdict:
    """Return the verdict on a cross compiler, here or in an image; the backend must be known to allow it."""
    if wanted.toolchain == "gcc":
        return Verdict(False, "the host's gcc builds for this host only")
    if wanted.boxed is not None and (lack := _lacks(wanted, host)) is not None:
        return Verdict(False, lack)
    if (lack := _too_old_for_zig(wanted)) is not None:
        return Verdict(False, lack)
    if wanted.backend is None:
        return Verdict(True, _CROSSED_BY[wanted.kind])
    return _by_backend(wanted.backend, wanted)


def _by_backend(backend: Backend, wanted: Wanted) -> Verdict:
    if wanted.boxed is not None and backend.configurer == "cargo":
        return Verdict(False, f"mpforge can't use {backend} with a compiler in an image yet")
    if backend.crosses:
        return Verdict(True, f"{backend} is known to cross-compile: {backend.how}")
    if wanted.strategy == "cross" or wanted.boxed is not None:
        return Verdict(True, f"{backend} is not known to cross-compile: {backend.how}")
    return Verdict(False, f"{backend} is not known to cross-compile in this version: {backend.how}")


def hybrid(wanted: Wanted, host: HostFacts) -> Verdict:
    """Return the verdict on the target's image under emulation, with a compiler of this host in it."""
    if wanted.toolchain not in ("auto", "zig"):
        return Verdict(False, f"it compiles with zig, but the toolchain is {wanted.toolchain}")
    if (lack := _too_old_for_zig(wanted) or _lacks(wanted, host)) is not None:
        return Verdict(False, lack)
    return Verdict(True, "the target's own Python runs emulated, the compiler natively")


def emulate(wanted: Wanted, host: HostFacts) -> Verdict:
    """Return the verdict on the target's image under emulation, with the image's own compiler."""
    if wanted.toolchain not in ("auto", OF_IMAGE):
        return Verdict(
            False, f"it compiles with the image's compiler, but the toolchain is {wanted.toolchain}"
        )
    if (lack := _lacks(wanted, host)) is not None:
        return Verdict(False, lack)
    return Verdict(True, "everything runs emulated and needs no toolchain on this host")


_VERDICTS: Mapping[Strategy, Callable[[Wanted, HostFacts], Verdict]] = {
    "native": native,
    "cross": cross,
    "hybrid": hybrid,
    "emulate": emulate,
}
"""The strategies in the order in which they are tried."""


def _toolchain(strategy: Strategy, wanted: Wanted) -> str:
    """Return the toolchain that ``auto`` stands for."""
    if wanted.toolchain != "auto":
        return wanted.toolchain
    in_image = strategy == "emulate" or (strategy == "native" and wanted.image_given)
    return OF_IMAGE if in_image else "zig"


def choose(wanted: Wanted, host: HostFacts, pin: StrategyPin | None) -> Choice | Refusal:
    """Return the strategy for a target: the spec's, else the lock's, else the first that can serve."""
    asked = wanted.strategy
    origin = "the spec asks for it"
    if asked in ("auto", "cross") and wanted.boxed is not None:
        asked = "cross"
        origin = f"{wanted.toolchain} is a cross compiler in the image {wanted.boxed}"
    elif asked == "auto" and pin is not None:
        asked, origin = pin.strategy, "pinned in the lock"
        toolchain = pin.toolchain if wanted.toolchain == "auto" else wanted.toolchain
        wanted = replace(wanted, toolchain=toolchain)
    passed: list[tuple[Strategy, str]] = []
    for strategy in _VERDICTS:
        if asked not in ("auto", strategy):
            continue
        verdict = _VERDICTS[strategy](wanted, host)
        if verdict.can:
            why = verdict.why if asked == "auto" else f"{origin}; {verdict.why}"
            in_image = strategy in ("hybrid", "emulate") or (
                strategy == "native" and wanted.image_given
            )
            return Choice(
                strategy,
                _toolchain(strategy, wanted),
                wanted.policy,
                why,
                tuple(passed),
                str(wanted.backend or ""),
                wanted.boxed or (wanted.image if in_image else None),
            )
        passed.append((strategy, verdict.why))
    return _refuse(wanted, passed, origin=origin if asked != "auto" else None)


def _refuse(wanted: Wanted, passed: list[tuple[Strategy, str]], *, origin: str | None) -> Refusal:
    reasons, machine = {reason for _, reason in passed}, wanted.platform.name
    instead = ""
    if wanted.toolchain == "gcc":
        instead = ', or set toolchain = "zig"'
    elif wanted.backend is not None and not wanted.backend.crosses:
        instead = '; or set strategy = "cross" in [build] to try anyway'
    return Refusal(
        error="no-strategy",
        what=f"{wanted.target} can't be built on this host",
        why="\n".join(
            f"{strategy} ({origin}): {reason}" if origin else f"{strategy}: {reason}"
            for strategy, reason in passed
        ),
        hint=INSTALL_RUNTIME
        if all(reason.startswith(NO_RUNTIME) for reason in reasons)
        else f"run it on a machine of type {machine}{instead}",
    )
