"""Estimate a target's downloads from the lock and the store. Only reads."""

from mpforge.engine.realize import Realizer
from mpforge.errors import MpforgeError
from mpforge.kinds.toolbox import Toolbox
from mpforge.plan.pins import DistroPackage, EnvironmentRequest, Lock, Package
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.wants import Need, Packages, Rust, ToolWheel, Zig


def to_fetch(
    deps: PlannedSession, *, plan: Plan, lock: Lock, toolbox: Toolbox, realizer: Realizer
) -> tuple[int | None, tuple[str, ...]]:
    """Return the bytes that a target's builds will download (None: not locked), and the packages' names."""
    builds = {
        session.name
        for session in plan.sessions
        if session.phase == "build" and session.target == deps.target and not session.is_served
    }
    needs = [want.need for want in plan.wants if want.is_of({deps.name, *builds})]
    requests = {request for need in needs for request in _lacking(need, deps, toolbox, realizer)}
    pins = [lock.environment(request) for request in requests]
    found = [package for pin in pins if pin is not None for package in pin.packages]
    rust = _rust(needs, toolbox)
    packages: set[Package | DistroPackage] = {*found, *(rust or ())}
    known = sum(package.size or 0 for package in packages)
    named = {f"{package.name} {package.version}" for package in packages}
    return (None if None in pins or rust is None else known), tuple(sorted(named))


def _lacking(
    need: Need, deps: PlannedSession, toolbox: Toolbox, realizer: Realizer
) -> tuple[EnvironmentRequest, ...]:
    """Return the environment request of a need whose packages are not in the store."""
    match need:
        case Zig(request):
            lacking = (toolbox.toolchain(compilers).to_fetch() for compilers in deps.compilers)
            return (request,) if request in lacking else ()
        case ToolWheel(request):
            return () if toolbox.programs.has(request) else (request,)
        case Packages(request, more=None):
            try:
                return () if realizer.has_packages(request) else (request,)
            except MpforgeError:  # another session's missing Python is reported by that session
                return ()
        case _:
            return ()


def _rust(needs: list[Need], toolbox: Toolbox) -> tuple[DistroPackage, ...] | None:
    """Return the distribution's packages that builds and their crates need."""
    wanted = [need for need in needs if isinstance(need, Rust)]
    answers = [toolbox.rust.to_fetch(need.channel, need.target) for need in wanted]
    pins = [pin for answer in answers for pin in answer or ()]
    packages = dict.fromkeys(package for pin in pins for package in pin.packages)
    return None if None in answers else tuple(packages)
