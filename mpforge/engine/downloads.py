"""What a target's builds will download, as far as the lock and the store can tell. Only reads."""

import contextlib
from collections.abc import Iterator

from mpforge.engine.realize import Realizer
from mpforge.errors import MpforgeError
from mpforge.kinds.toolbox import Toolbox
from mpforge.plan.model import Plan, PlannedSession
from mpforge.plan.pins import DistroPackage, EnvironmentRequest, Lock, Package


def to_fetch(
    deps: PlannedSession, *, plan: Plan, lock: Lock, toolbox: Toolbox, realizer: Realizer
) -> tuple[int | None, tuple[str, ...]]:
    """The bytes that a target's builds will download (None: the lock does not tell), and of what."""
    lacking = (toolbox.toolchain(compilers).to_fetch() for compilers in deps.compilers)
    requests = {request for request in lacking if request is not None}
    for session in plan.sessions:
        if session.is_served:
            continue
        if session.phase == "build" and session.target == deps.target:
            requests |= set(_environments(session, plan, realizer))
            requests |= set(_tools(session, plan, toolbox))
    pins = [lock.environment(request) for request in requests]
    found = [package for pin in pins if pin is not None for package in pin.packages]
    rust = _rust(deps, plan, toolbox)
    packages: set[Package | DistroPackage] = {*found, *(rust or ())}
    known = sum(package.size or 0 for package in packages)
    named = {f"{package.name} {package.version}" for package in packages}
    return (None if None in pins or rust is None else known), tuple(sorted(named))


def _rust(deps: PlannedSession, plan: Plan, toolbox: Toolbox) -> tuple[DistroPackage, ...] | None:
    """The distribution's packages that a target's builds, and the crates that they need, wait for."""
    wanted: set[tuple[str, str | None]] = {(c.rust, c.target) for c in deps.compilers if c.rust}
    for session in plan.sessions:
        if session.phase == "build" and session.target == deps.target:
            commands = [plan.step(identifier).command for identifier in session.steps]
            wanted |= {(c.rust, None) for c in commands if c.rust}
    answers = [toolbox.rust.to_fetch(channel, target) for channel, target in wanted]
    pins = [pin for answer in answers for pin in answer or ()]
    packages = dict.fromkeys(package for pin in pins for package in pin.packages)
    return None if None in answers else tuple(packages)


def _environments(
    session: PlannedSession, plan: Plan, realizer: Realizer
) -> Iterator[EnvironmentRequest]:
    """The environments of a build that are not in the store.

    Another session's missing Python or pin is that session's business.
    """
    for identifier in session.steps:
        command = plan.step(identifier).installs
        if command is not None and command.extra is None:
            with contextlib.suppress(MpforgeError):
                if not realizer.has_packages(identifier, command):
                    yield command.request


def _tools(session: PlannedSession, plan: Plan, toolbox: Toolbox) -> Iterator[EnvironmentRequest]:
    """The wheels of programs that a build declares and that are not in the tool store."""
    for identifier in session.steps:
        for request in plan.step(identifier).tools.wheels:
            if not toolbox.programs.has(request):
                yield request
