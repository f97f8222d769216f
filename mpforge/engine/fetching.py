"""What a target's builds will download, as far as the lock and the store can tell. Only reads."""

import contextlib
from collections.abc import Iterator

from mpforge.engine.realize import Realizer
from mpforge.engine.toolbox import Toolbox
from mpforge.errors import MpforgeError
from mpforge.plan.model import InstallPackages, Plan, PlannedSession
from mpforge.plan.pins import EnvironmentRequest, Lock, Package


def to_fetch(
    deps: PlannedSession, *, plan: Plan, lock: Lock, toolbox: Toolbox, realizer: Realizer
) -> tuple[int | None, tuple[str, ...]]:
    """The bytes that a target's builds will download (None: the lock does not tell), and of what."""
    requests = {c.zig for c in deps.compilers if c.zig and not toolbox.has_zig(c)}
    for session in plan.sessions:
        if session.is_served:
            continue
        if session.phase == "build" and session.target == deps.target:
            requests |= set(_environments(session, plan, realizer))
            requests |= set(_tools(session, plan, toolbox))
    packages: dict[str, Package] = {}
    complete = True
    for request in requests:
        pin = lock.environment(request)
        complete = complete and pin is not None
        for package in pin.packages if pin is not None else ():
            packages[f"{package.name} {package.version}"] = package
    known = sum(package.size or 0 for package in packages.values())
    return (known if complete else None), tuple(sorted(packages))


def _environments(
    session: PlannedSession, plan: Plan, realizer: Realizer
) -> Iterator[EnvironmentRequest]:
    """The environments of a build that are not in the store.

    Another session's missing Python or pin is that session's business.
    """
    for identifier in session.steps:
        command = plan.step(identifier).command
        if isinstance(command, InstallPackages) and command.extra is None:
            with contextlib.suppress(MpforgeError):
                if not realizer.has_packages(identifier, command):
                    yield command.request


def _tools(session: PlannedSession, plan: Plan, toolbox: Toolbox) -> Iterator[EnvironmentRequest]:
    """The wheels of programs that a build declares and that are not in the tool store."""
    for identifier in session.steps:
        for request in plan.step(identifier).tools.wheels:
            if not toolbox.programs.has(request):
                yield request
