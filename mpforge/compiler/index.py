"""Compile a spec into an index: its sessions, their requirements and tags (docs/contract.md, "Sessions").

It depends on the spec alone. Knows nothing of hosts, locks or whether a session can run.
"""

from collections.abc import Iterator
from typing import Literal

from mpforge.plan.index import Index, IndexedSession
from mpforge.spec.model import Spec
from mpforge.spec.options import ResolvedTarget, cpu_word, resolve, targets, word

_PHASES: tuple[Literal["build", "test"], ...] = ("build", "test")


def compile_index(spec: Spec, key: str) -> Index:
    """Return all sessions of a spec, in the order in which ``nox -l`` shows them."""
    sessions = _sessions(spec)
    return Index(key=key, sessions=sessions, left_out=_left_out(spec, sessions))


def _left_out(spec: Spec, sessions: tuple[IndexedSession, ...]) -> tuple[str, ...]:
    if not spec.project.skip:
        return ()
    project = spec.project.model_copy(update={"skip": ()})
    without_skip = _sessions(spec.model_copy(update={"project": project}))
    there = {session.name for session in sessions}
    return tuple(session.name for session in without_skip if session.name not in there)


def _sessions(spec: Spec) -> tuple[IndexedSession, ...]:
    every = targets(spec)
    sessions: list[IndexedSession] = []
    if any(target.pythons for target in every):
        sessions.append(IndexedSession("sdist", "The source distribution", "sdist"))
    for target in every:
        sessions += _sessions_of(spec, target)
    for phase in _PHASES:
        names = tuple(f"{phase}-{target.name}" for target in every)
        what = f"{phase.capitalize()} everything"
        sessions.append(IndexedSession(phase, what, phase, requires=names, group=True))
    sessions.append(IndexedSession("release", "Upload what dist/mpforge.json records", "release"))
    return tuple(sessions)


def _sessions_of(spec: Spec, target: ResolvedTarget) -> Iterator[IndexedSession]:
    name = target.name
    deps = f"deps-{name}"
    yield IndexedSession(deps, f"Toolchain and native libraries for {name}", "deps", name)
    pythons: tuple[str | None, ...] = target.pythons or (None,)
    for python in pythons:
        yield IndexedSession(
            f"build-{word(name, python)}",
            f"Build the {python} wheel for {name}" if python else f"Build for {name}",
            "build",
            name,
            python,
            requires=("sdist", deps) if python else (deps,),
        )
    for python in pythons:
        yield from _tests_of(spec, target, python)
    for phase in _PHASES if target.pythons else ():
        yield IndexedSession(
            f"{phase}-{name}",
            f"{phase.capitalize()} all wheels for {name}",
            phase,
            name,
            requires=tuple(f"{phase}-{name}-{python}" for python in target.pythons),
            group=True,
        )


def _tests_of(spec: Spec, target: ResolvedTarget, python: str | None) -> Iterator[IndexedSession]:
    stem = word(target.name, python)
    what = f"the {python} wheel" if python else "what was built"
    cpus = tuple(resolve(spec, target=target.name, python=python).test.cpus)
    for cpu in cpus:
        yield IndexedSession(
            f"test-{stem}-{cpu_word(cpu)}",
            f"Test {what} for {target.name} on a {cpu}",
            "test",
            target.name,
            python,
            cpu,
            requires=(f"build-{stem}",),
        )
    yield IndexedSession(
        f"test-{stem}",
        f"Test {what} for {target.name}" + (" on each CPU model" if cpus else ""),
        "test",
        target.name,
        python,
        requires=tuple(f"test-{stem}-{cpu_word(cpu)}" for cpu in cpus) or (f"build-{stem}",),
        group=bool(cpus),
    )
