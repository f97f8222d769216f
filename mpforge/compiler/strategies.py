"""How a target is built on this host: native, cross, hybrid or emulate, and why.

Each strategy is a function that answers with its reason to serve or not to. Knows nothing of steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mpforge.compiler.backends import Backend
from mpforge.plan.facts import HostFacts
from mpforge.plan.model import Choice, Refusal, Strategy
from mpforge.plan.pins import StrategyPin
from mpforge.platforms import Platform

CONTAINERS = "it needs containers, which this version of mpforge does not drive yet"


@dataclass(frozen=True)
class Verdict:
    """Whether a strategy can serve, and why or why not."""

    can: bool
    why: str


@dataclass(frozen=True)
class Wanted:
    """What is asked for one target: its platform, the options that matter, the project's backend.

    ``backend`` is None where the user's own commands build.
    """

    target: str
    platform: Platform
    strategy: str
    toolchain: str
    policy: str
    backend: Backend | None


def native(wanted: Wanted, host: HostFacts) -> Verdict:
    """On a machine of the target's own kind."""
    if host.platform == wanted.platform.name:
        return Verdict(True, f"this host is {wanted.platform.name}")
    return Verdict(False, f"this host is {host.platform}, not {wanted.platform.name}")


def cross(wanted: Wanted, _host: HostFacts) -> Verdict:
    """By a cross compiler on this host, where the build backend is known to allow it."""
    if wanted.toolchain == "gcc":
        return Verdict(False, "the host's gcc builds for this host only")
    if wanted.backend is None:
        return Verdict(True, "the commands are given a cross compiler")
    backend = wanted.backend
    if backend.crosses:
        return Verdict(True, f"{backend} is known to cross: {backend.how}")
    if wanted.strategy == "cross":
        return Verdict(True, f"{backend} is not known to cross: {backend.how}")
    return Verdict(False, f"{backend} is not known to cross in this version: {backend.how}")


def contained(_wanted: Wanted, _host: HostFacts) -> Verdict:
    """In a container, emulated or not."""
    return Verdict(False, CONTAINERS)


IN_ORDER: tuple[tuple[Strategy, Callable[[Wanted, HostFacts], Verdict]], ...] = (
    ("native", native),
    ("cross", cross),
    ("hybrid", contained),
    ("emulate", contained),
)


def choose(wanted: Wanted, host: HostFacts, pin: StrategyPin | None) -> Choice | Refusal:
    """The strategy for a target, by the spec, else by the lock, else the first that can serve."""
    asked = wanted.strategy
    origin = "the spec asks for it"
    toolchain = wanted.toolchain if wanted.toolchain != "auto" else "zig"
    if asked == "auto" and pin is not None:
        asked, origin = pin.strategy, "pinned in the lock"
        toolchain = pin.toolchain if wanted.toolchain == "auto" else toolchain
    wanted = replace(wanted, toolchain=toolchain)
    passed: list[tuple[Strategy, str]] = []
    for strategy, verdict_of in IN_ORDER:
        if asked not in ("auto", strategy):
            continue
        verdict = verdict_of(wanted, host)
        if verdict.can:
            why = verdict.why if asked == "auto" else f"{origin}; {verdict.why}"
            return Choice(
                strategy, toolchain, wanted.policy, why, tuple(passed), str(wanted.backend or "")
            )
        passed.append((strategy, verdict.why))
    return _refuse(wanted, passed, origin=origin if asked != "auto" else None)


def _refuse(wanted: Wanted, passed: list[tuple[Strategy, str]], *, origin: str | None) -> Refusal:
    instead = ""
    if wanted.toolchain == "gcc":
        instead = ", or take zig as toolchain"
    elif wanted.backend is not None and not wanted.backend.crosses:
        instead = '; strategy = "cross" in [build] tries it all the same'
    return Refusal(
        error="no-strategy",
        what=f"{wanted.target} can't be built on this host",
        why="\n".join(
            f"{strategy} ({origin}): {reason}" if origin else f"{strategy}: {reason}"
            for strategy, reason in passed
        ),
        hint=f"run it on a machine of type {wanted.platform.name}{instead}",
    )
