"""Collect the needs of planned sessions: things that their steps and compilers fetch from outside."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from mpforge.plan.sessions import PlannedSession
from mpforge.plan.steps import Step, Work
from mpforge.plan.toolchains import Compilers
from mpforge.plan.wants import (
    BasePrograms,
    Crates,
    Emulation,
    Image,
    Interpreter,
    Need,
    Packages,
    Rust,
    ToolWheel,
    Want,
    Zig,
)


def wants_of(
    sessions: Iterable[PlannedSession],
    steps: Mapping[str, Step],
    *,
    host: str,
    pinned_base: bool = False,
) -> tuple[Want, ...]:
    """Return each need once, with the sessions that have it, in the order of the sessions.

    ``host`` is this host's platform. ``pinned_base``: steps on this host see pinned base programs.
    """
    found: dict[Need, dict[str, None]] = {}
    for session in sessions:
        needs = [need for compilers in session.compilers for need in _of_compilers(compilers)]
        needs += [need for step in session.steps for need in _of_step(steps[step], host)]
        if pinned_base and _sees_host(session, steps):
            needs.append(BasePrograms())
        for need in needs:
            found.setdefault(need, {})[session.name] = None
    return tuple(Want(need, tuple(names)) for need, names in found.items())


def _sees_host(session: PlannedSession, steps: Mapping[str, Step]) -> bool:
    """Return whether programs of a session run on this host."""
    own = (steps[step] for step in session.steps)
    runs = any(step.place.sees_host and step.command.work is not Work.FETCH for step in own)
    return runs or any(compilers.place.sees_host for compilers in session.compilers)


def _of_compilers(compilers: Compilers) -> Iterator[Need]:
    toolchain = compilers.toolchain
    if toolchain.zig is not None:
        yield Zig(toolchain.zig)
    yield from map(Image, compilers.place.images)
    if compilers.emulator is not None:
        yield Emulation(compilers.emulator.target, None)
    if compilers.rust is not None:
        yield Rust(compilers.rust, compilers.target)


def _of_step(step: Step, host: str) -> Iterator[Need]:
    command = step.command
    yield from (ToolWheel(request) for request in step.tools.wheels)
    yield from map(Image, step.place.images)
    if step.place.sees_host:
        if command.work is Work.BUILD and command.python is not None:
            yield Interpreter(command.python)
        tests = step.tests
        if tests is not None and (tests.machine.emulated or tests.machine.target != host):
            yield Emulation(tests.machine.target, tests.python)
    if command.rust is not None:
        if command.work is Work.FETCH:
            yield Crates()
        yield Rust(command.rust, None)
    if (installs := step.installs) is not None:
        if installs.extra is None:
            yield Packages(installs.request)
        else:
            more: Literal["backend", "wheel"] = "wheel" if installs.of_wheel else "backend"
            yield Packages(installs.request, more, installs.extras)
