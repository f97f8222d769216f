"""Assemble the parts of a running session: pins, tools, machines, store; and announce its work."""

import functools
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.engine.host_facts import host_facts
from mpforge.engine.load_plan import Compiled, requirements_base
from mpforge.engine.realize import Realizer
from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.engine.shipping import Shipping
from mpforge.engine.test_outputs import TestOutputs
from mpforge.errors import MpforgeError
from mpforge.keys.digest import short
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.step_places import Places
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.pins import Pins
from mpforge.plan.events import Chosen, Emit
from mpforge.plan.pins import DistroPackage, EnvironmentRequest, Package, StrategyPin
from mpforge.plan.reporter import Reporter
from mpforge.plan.session_end import SessionEnded, Status
from mpforge.plan.sessions import PlannedSession, Refusal
from mpforge.plan.wants import BasePrograms, Need, Packages, Rust, ToolWheel, Zig
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory
from mpforge.workspace import Options, Workspace

if TYPE_CHECKING:
    from mpforge.kinds.container_runtime import Containers
    from mpforge.kinds.image_roots import ImageRoots
    from mpforge.kinds.target_machines import Machines


class NotRun(Exception):
    """Raised if a session turns out to have nothing to do; its text is the reason."""


def refusal_error(refusal: Refusal) -> MpforgeError:
    """Return the error of a session that this host can't run."""
    kind = MpforgeError.kinds[refusal.error]
    return kind(refusal.what, why=refusal.why, hint=refusal.hint)


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
    _announced: set[str] = field(default_factory=set, init=False)

    @functools.cached_property
    def reporter(self) -> Reporter:
        """The reporter of its warnings and long work."""
        return Reporter(self.session.name, self.emit)

    @functools.cached_property
    def pins(self) -> Pins:
        """The lock, completed as this session needs it."""
        given = self.found.plan.index
        return Pins(
            self.workspace.lock,
            index=Index(given.url, given.extra, given.username, given.password),
            state=self.workspace.cache / "distribution",
            locked=self.options.locked,
            reporter=self.reporter,
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
            self.reporter,
            pythons=self.found.pythons,
            install=not self.dry,
            used=used,
            pinned_base=self.found.plan.has_pinned_base,
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
    def roots(self) -> "ImageRoots":
        """The images of this session's steps that run without a container runtime."""
        from mpforge.kinds.image_roots import ImageRoots

        return ImageRoots(self.workspace, self.pins, self.toolbox, self.machines)

    @functools.cached_property
    def places(self) -> Places:
        """The places of this session's steps."""
        return Places(
            self.toolbox,
            lambda: self.machines,
            lambda: self.containers,
            lambda: self.roots,
            self.found.inputs,
        )

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
        return Realizer(
            plan=found.plan,
            store=found.store,
            provision=self.provision,
            reporter=self.reporter,
            announce=self.announce,
            log=self.log or self.workspace.logs(self.session.name),
            keys=self.workspace.state / "keys",
            outputs=TestOutputs(found.store, self.workspace, self.reporter),
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

    # --- telling of the work -------------------------------------------------------------------

    def announce(self) -> None:
        """Emit a line for each target of the run, before anything is fetched or made."""
        if self.session.name in self._announced:
            return
        self._announced.add(self.session.name)
        names = {f"deps-{self.session.target}", *self.selection.names}
        for deps in self.found.plan.sessions:
            choice, target = deps.choice, deps.target
            if deps.phase != "deps" or choice is None or target is None or deps.name not in names:
                continue
            size, items = self.to_fetch(deps)
            why = f"{choice.why}; {choice.policy}"
            strategy, toolchain = choice.strategy, choice.toolchain
            self.emit(Chosen(deps.name, target, strategy, toolchain, why, size, items))
            self.pin_choice(deps)

    def pin_choice(self, deps: PlannedSession) -> None:
        """Record in the lock what ``auto`` chose for a target, if it chose."""
        choice, target = deps.choice, deps.target
        if choice is not None and choice.is_kept and target is not None:
            host = host_facts(self.workspace.cache).platform or platform.machine()
            self.pins.strategy(StrategyPin(target, host, choice.strategy, choice.toolchain))

    def to_fetch(self, deps: PlannedSession) -> tuple[int | None, tuple[str, ...]]:
        """Return the bytes that a target's builds will download (None: not locked), and the packages.

        An estimate from the lock and the store, which only reads.
        """
        plan, lock = self.found.plan, self.pins.lock
        builds = {
            session.name
            for session in plan.sessions
            if session.phase == "build" and session.target == deps.target and not session.is_served
        }
        needs = [want.need for want in plan.wants if want.is_of({deps.name, *builds})]
        requests = {request for need in needs for request in self._lacking(need, deps)}
        pins = [lock.environment(request) for request in requests]
        found = [package for pin in pins if pin is not None for package in pin.packages]
        rust = [
            self.toolbox.rust.to_fetch(need.channel, need.target)
            for need in needs
            if isinstance(need, Rust)
        ]
        distribution = [package for pins in rust for pin in pins or () for package in pin.packages]
        packages: set[Package | DistroPackage] = {*found, *distribution}
        base = self.toolbox.tools.base
        of_base = base.to_fetch() if base is not None and BasePrograms() in needs else ()
        known = sum(package.size or 0 for package in (*packages, *(of_base or ())))
        named = {f"{package.name} {package.version}" for package in packages}
        named |= {"base programs"} if of_base else set()
        return (None if None in (*pins, *rust, of_base) else known), tuple(sorted(named))

    def _lacking(self, need: Need, deps: PlannedSession) -> tuple[EnvironmentRequest, ...]:
        """Return the environment request of a need whose packages are not in the store."""
        match need:
            case Zig(request):
                toolchains = map(self.toolbox.toolchain, deps.compilers)
                lacking = (toolchain.to_fetch() for toolchain in toolchains)
                return (request,) if request in lacking else ()
            case ToolWheel(request):
                return () if self.toolbox.programs.has(request) else (request,)
            case Packages(request, more=None):
                try:
                    return () if self.realizer.has_packages(request) else (request,)
                except MpforgeError:  # another session's missing Python is reported by that session
                    return ()
            case _:
                return ()

    # --- how it ends ---------------------------------------------------------------------------

    def realize(self, session: PlannedSession) -> tuple[ActionResult, Directory]:
        """Return a session's result and output tree, making them if needed."""
        if session.result is None:
            raise AssertionError(f"{session.name} has no result")
        return self.realizer.realize(session.result)

    def ended(self, key: str) -> SessionEnded:
        """Return its end: done if a step ran, else cached."""
        return self.end("done", f"built: {short(key)}") if self.realizer.ran else self.cached(key)

    def cached(self, key: str) -> SessionEnded:
        """Return its end if nothing had to be done."""
        return self.end("cached", f"cached: {short(key)}")

    def end(self, status: Status, reason: str) -> SessionEnded:
        """Return its end."""
        return SessionEnded(self.session.name, self.session.phase, status, reason)
