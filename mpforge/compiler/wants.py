"""Collect the needs of planned sessions: things that their steps and compilers fetch from outside."""

from collections.abc import Iterable, Iterator, Mapping

from mpforge.plan.sessions import PlannedSession
from mpforge.plan.steps import FetchCrates, ShippedFiles, Step, Work
from mpforge.plan.toolchains import Compilers
from mpforge.plan.wants import (
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


def wants_of(sessions: Iterable[PlannedSession], steps: Mapping[str, Step]) -> tuple[Want, ...]:
    """Return each need once, with the sessions that have it, in the order of the sessions."""
    found: dict[Need, dict[str, None]] = {}
    for session in sessions:
        for compilers in session.compilers:
            for need in _of_compilers(compilers):
                found.setdefault(need, {})[session.name] = None
        for identifier in session.steps:
            for need in _of_step(steps[identifier]):
                found.setdefault(need, {})[session.name] = None
    return tuple(Want(need, tuple(names)) for need, names in found.items())


def _of_compilers(compilers: Compilers) -> Iterator[Need]:
    toolchain = compilers.toolchain
    if toolchain.zig is not None:
        yield Zig(toolchain.zig)
    if toolchain.inside is not None:
        yield Image(toolchain.inside.image)
    if compilers.emulator is not None:
        yield Emulation(compilers.emulator.target, None)
    if compilers.rust is not None:
        yield Rust(compilers.rust, compilers.target)


def _of_step(step: Step) -> Iterator[Need]:
    command = step.command
    yield from (ToolWheel(request) for request in step.tools.wheels)
    if step.inside is not None:
        yield Image(step.inside.image)
    elif command.work is Work.BUILD and command.python is not None:
        yield Interpreter(command.python)
    elif (tests := step.tests) is not None and tests.machine.emulated:
        yield Emulation(tests.machine.target, tests.python)
    if isinstance(command, FetchCrates):
        yield Crates()
    if command.rust is not None:
        yield Rust(command.rust, None)
    if (installs := step.installs) is not None:
        if installs.extra is None:
            yield Packages(installs.request)
        else:
            of_wheel = isinstance(installs.extra, ShippedFiles)
            yield Packages(installs.request, "wheel" if of_wheel else "backend", installs.extras)
