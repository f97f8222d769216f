"""Assemble the parts of a running session: pins, tools, machines, store; and announce its work."""

import functools
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.engine.load_plan import Compiled, requirements_base
from mpforge.engine.realize import Realizer
from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.engine.shipping import Shipping
from mpforge.engine.test_outputs import TestOutputs
from mpforge.keys.digest import short
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.step_places import Places
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.pins import Pins
from mpforge.plan.events import Chosen, Emit
from mpforge.plan.pins import StrategyPin
from mpforge.plan.session_end import SessionEnded
from mpforge.plan.sessions import PlannedSession
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory
from mpforge.workspace import Options, Workspace

if TYPE_CHECKING:
    from mpforge.kinds.container_runtime import Containers
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.target_machines import Machines


@dataclass(frozen=True)
class SessionRun:
    """A running session and everything that it needs."""

    found: Compiled
    session: PlannedSession
    workspace: Workspace
    options: Options
    emit: Emit
    posargs: tuple[str, ...] = ()
    selection: Selection = NOTHING_KNOWN
    dry: bool = False
    log: Path | None = None
    """Path of its steps' logs, if not the session's own."""

    @functools.cached_property
    def pins(self) -> Pins:
        """The lock, completed as this session needs it."""
        from mpforge.obtain.packages.package_index import Index

        given = self.found.plan.index
        return Pins(
            self.workspace.lock,
            index=Index(given.url, given.extra, given.username, given.password),
            state=self.workspace.cache / "distribution",
            locked=self.options.locked,
            session=self.session.name,
            emit=self.emit,
            paths=PathPackages(
                requirements_base(self.workspace, self.found.inputs), self.found.store
            ),
        )

    @functools.cached_property
    def toolbox(self) -> Toolbox:
        """This session's tools."""

        def used(tool: str) -> None:
            self.found.store.use(f"tool {tool}", at_once=True)

        return Toolbox(
            self.workspace,
            self.pins,
            session=self.session.name,
            emit=self.emit,
            pythons=self.found.pythons,
            install=not self.dry,
            used=used,
        )

    @functools.cached_property
    def machines(self) -> "Machines":
        """The machines that this session's tests run on."""
        from mpforge.kinds.target_machines import Machines

        return Machines(self.workspace, self.pins, self.toolbox)

    @functools.cached_property
    def containers(self) -> "Containers":
        """The containers of this session's steps."""
        from mpforge.kinds.container_runtime import Containers

        return Containers(self.workspace, self.pins, self.toolbox)

    @functools.cached_property
    def places(self) -> Places:
        """The places of this session's steps."""
        return Places(self.toolbox, lambda: self.machines, lambda: self.containers)

    @functools.cached_property
    def provision(self) -> Provision:
        """The services that this session's steps are executed with."""
        return Provision(
            plan=self.found.plan,
            store=self.found.store,
            toolbox=self.toolbox,
            pins=self.pins,
            inputs=self.found.inputs,
            machines=lambda: self.machines,
            places=self.places,
            posargs=self.posargs,
        )

    @functools.cached_property
    def realizer(self) -> Realizer:
        """The realizer of this session's steps."""
        found = self.found

        def executor() -> "Executor":
            from mpforge.kinds.execution import Executor

            return Executor(
                found.store,
                self.toolbox,
                self.machines,
                self.pins,
                found.inputs,
                self.places,
            )

        return Realizer(
            plan=found.plan,
            store=found.store,
            provision=self.provision,
            executor=executor,
            emit=self.emit,
            announce=self.announce,
            session=self.session.name,
            log=self.log or self.workspace.logs(self.session.name),
            keys=self.workspace.state / "keys",
            outputs=TestOutputs(found.store, self.workspace, self.session.name, self.emit),
            kept=self.workspace.kept if self.options.keep else None,
            use_cache=not self.options.no_cache,
            dry=self.dry,
        )

    @functools.cached_property
    def shipping(self) -> Shipping:
        """The contents of ``dist/`` as this session sees them."""
        return Shipping(
            self.found,
            self.workspace,
            self.provision,
            no_cache=self.options.no_cache,
            emit=self.emit,
        )

    # --- announcing the work -------------------------------------------------------------------

    @functools.cached_property
    def _announced(self) -> list[str]:
        return []

    def announce(self) -> None:
        """Emit a line for each target of the run, before anything is fetched or made."""
        if self._announced:
            return
        self._announced.append(self.session.name)
        for session in self.found.plan.sessions:
            if session.phase != "deps" or session.choice is None or session.target is None:
                continue
            if (
                session.name == f"deps-{self.session.target}"
                or session.name in self.selection.names
            ):
                size, items = self.to_fetch(session)
                choice = session.choice
                self.emit(
                    Chosen(
                        session.name,
                        session.target,
                        choice.strategy,
                        choice.toolchain,
                        f"{choice.why}; {choice.policy}",
                        size,
                        items,
                    )
                )
                self.pin_choice(session)

    def pin_choice(self, deps: PlannedSession) -> None:
        """Record in the lock what ``auto`` chose for a target, if it chose."""
        choice, target = deps.choice, deps.target
        if choice is not None and choice.is_kept and target is not None:
            self.pins.strategy(
                StrategyPin(target, self._host_platform, choice.strategy, choice.toolchain)
            )

    @property
    def _host_platform(self) -> str:
        from mpforge.engine.host_facts import host_facts

        return host_facts().platform or platform.machine()

    def to_fetch(self, deps: PlannedSession) -> tuple[int | None, tuple[str, ...]]:
        """Return the bytes that a target's builds will download, and the names of the packages."""
        from mpforge.engine.downloads import to_fetch

        return to_fetch(
            deps,
            plan=self.found.plan,
            lock=self.pins.lock,
            toolbox=self.toolbox,
            realizer=self.realizer,
        )

    # --- how it ends ---------------------------------------------------------------------------

    def realize(self, session: PlannedSession) -> tuple[ActionResult, Directory]:
        """Return a session's result and output tree, making them if needed."""
        if session.result is None:
            raise AssertionError(f"{session.name} has no result")
        return self.realizer.realize(session.result)

    def ended(self, key: str) -> SessionEnded:
        """Return its end: done if a step ran, else cached."""
        if self.realizer.ran:
            words = f"built: {short(key)}"
            return SessionEnded(self.session.name, self.session.phase, "done", words)
        return self.cached(key)

    def cached(self, key: str) -> SessionEnded:
        """Return its end if nothing had to be done."""
        return SessionEnded(
            self.session.name, self.session.phase, "cached", f"cached: {short(key)}"
        )
