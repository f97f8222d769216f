"""The sessions of a plan as frozen data, the choice of each target's strategy, and the plan itself."""

import functools
from dataclasses import dataclass
from typing import Literal

from mpforge.plan.places import Machine
from mpforge.plan.session_end import Level
from mpforge.plan.steps import BuildLibrary, Step
from mpforge.plan.toolchains import NO_COMPILER, TOOLCHAIN_NAMES, Compilers
from mpforge.plan.wants import BasePrograms, Want

Phase = Literal["sdist", "deps", "build", "test", "release"]
Strategy = Literal["native", "cross", "hybrid", "emulate"]

NOTHING_RUN = 'test.strategy is "static"'
"""The reason why a static session runs nothing of what it tests."""


@dataclass(frozen=True)
class Refusal:
    """The reason why a session can't run here: an error's code and texts, raised when it is asked to run."""

    error: str
    what: str
    why: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Choice:
    """The strategy of a target: its name, toolchain and policy, its reason, and why no better one.

    ``passed_over`` are (strategy, reason) in order of preference; ``backend`` is the recognised one and
    what it was recognised by, empty if the user's own commands build. ``image`` is the name of the image
    that it is built in.
    """

    strategy: Strategy
    toolchain: str
    policy: str
    why: str
    passed_over: tuple[tuple[Strategy, str], ...] = ()
    backend: str = ""
    image: str | None = None

    @property
    def is_kept(self) -> bool:
        """True if the lock keeps it for ``auto``.

        Not kept: the choice for a project without extensions, which may get one some day, and a toolchain of
        the spec's own.
        """
        return self.toolchain in TOOLCHAIN_NAMES


@dataclass(frozen=True)
class PlannedSession:
    """One session: its requirements, its own steps, or why it can't or need not run.

    ``result`` is the step whose output it publishes or that is its test. ``options`` is a digest of the
    options that decide whether a file in ``dist/`` is this session's, whatever host made it
    (docs/contract.md, "Sessions"). ``after`` names the build session whose wheel may serve this one too: the
    lowest Python's (abi3), or the first target's (pure). ``folder`` is the directory of its files below
    ``dist/`` (``gateway/``). ``group``: it only stands for the sessions that it requires. ``asks_sdist``:
    only its sdist's metadata says whether the project allows this Python. ``level`` is a test's, ``cpu`` the
    oldest CPU that a build's compiled files run on (a row of ``cpus.csv``), ``unused`` the machine on which a
    static test's commands would run.
    """

    name: str
    phase: Phase
    target: str | None
    python: str | None
    requires: tuple[str, ...]
    steps: tuple[str, ...] = ()
    result: str | None = None
    choice: Choice | None = None
    compilers: tuple[Compilers, ...] = ()
    options: str = ""
    refusal: Refusal | None = None
    not_run: str | None = None
    after: str | None = None
    folder: str = ""
    group: bool = False
    asks_sdist: bool = False
    level: Level | None = None
    cpu: str | None = None
    unused: Machine | None = None

    @property
    def is_served(self) -> bool:
        """True if the wheel of ``after`` is known beforehand to serve this session."""
        pure = self.choice is not None and self.choice.toolchain == NO_COMPILER
        return pure and self.after is not None


@dataclass(frozen=True)
class IndexSettings:
    """The package index as the spec gives it; ``username`` and ``password`` name variables."""

    url: str | None = None
    extra: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Plan:
    """A spec compiled for this host and this lock.

    ``wants`` are all needs of its sessions from outside.
    """

    host: str
    sessions: tuple[PlannedSession, ...]
    steps: tuple[Step, ...]
    index: IndexSettings = IndexSettings()
    wants: tuple[Want, ...] = ()

    def session(self, name: str) -> PlannedSession | None:
        """Return the session of that name."""
        return next((session for session in self.sessions if session.name == name), None)

    @property
    def has_pinned_base(self) -> bool:
        """True if its steps see pinned base programs in place of this host's."""
        return any(isinstance(want.need, BasePrograms) for want in self.wants)

    def main_step(self, session: PlannedSession) -> Step | None:
        """Return the step of a session's own work: the sdist, the wheel, the commands, the tests.

        That of a target's preparation is its last library's.
        """
        steps = (self.step(identifier) for identifier in reversed(session.steps))
        libraries = [*self.libraries(session).values()]
        found = next((step for step in steps if step.command.is_main), None)
        return found or (libraries[-1] if libraries else None)

    def libraries(self, session: PlannedSession) -> dict[str, Step]:
        """Return the steps of a target's preparation that build native libraries, by the library's name."""
        if session.phase != "deps":
            return {}
        steps = map(self.step, session.steps)
        return {s.command.name: s for s in steps if isinstance(s.command, BuildLibrary)}

    def step(self, identifier: str) -> Step:
        """Return the step of that id; every id in a plan has one."""
        return self._step_of[identifier]

    @functools.cached_property
    def _step_of(self) -> dict[str, Step]:
        """The steps by id; a property, so no field: it is neither compared nor written."""
        return {step.id: step for step in self.steps}
