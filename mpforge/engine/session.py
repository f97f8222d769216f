"""One session, from its name to its end: decide, run, publish, report.

What is done depends on the phase: the sdist, a target's tools, a build, a test. The engine knows
nothing of nox, terminals or JSON lines; it emits events and returns how the session ended.
"""

import contextlib
import functools
import os
import platform
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.engine.dist import digest_of
from mpforge.engine.dist_record import Entry
from mpforge.engine.load_plan import Compiled, Look, requirements_base
from mpforge.engine.realize import NotMade, Realizer
from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.engine.shipping import Shipping
from mpforge.engine.test_outputs import TestOutputs
from mpforge.errors import (
    Damaged,
    HostCannot,
    MpforgeError,
    NoHostPython,
    NoStrategy,
    NotAvailableYet,
    StepFailed,
    UnknownExtra,
    UnknownGroup,
    UnknownSession,
    WrongInput,
)
from mpforge.keys.digest import short
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.pins import Pins
from mpforge.plan.events import Chosen, Emit, Published, SessionEnded, Tested, Warned
from mpforge.plan.model import PlannedSession, Refusal
from mpforge.plan.pins import StrategyPin
from mpforge.store.files import make_way
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory, FileNode
from mpforge.workspace import Options, Workspace, require_plain

if TYPE_CHECKING:
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.image_toolchain import Containers
    from mpforge.kinds.target_machines import Machines

    Pick = Callable[[ActionResult, Directory], dict[str, FileNode | str]]


def run_session(
    name: str,
    *,
    workspace: Workspace,
    options: Options,
    emit: Emit,
    posargs: tuple[str, ...] = (),
    selection: Selection = NOTHING_KNOWN,
    failed: Callable[[], Collection[str]] = tuple,
    look: Look | None = None,
) -> SessionEnded:
    """Run one session to its end. ``failed`` gives the sessions that have failed in this run.

    ``look`` is what the session before this one saw; it is forgotten unless this one changes nothing.

    Raises ``MpforgeError`` for what fails and ``KeyboardInterrupt``; nothing half-made is left then.
    """
    look = look or Look()
    try:
        ended = _run(name, workspace, options, emit, posargs, selection, failed, look)
    except BaseException:
        look.forget()
        raise
    if ended.status == "done":
        look.forget()
        _tidy(workspace, emit, name)
    return ended


def _run(  # noqa: PLR0917 - run_session's own
    name: str,
    workspace: Workspace,
    options: Options,
    emit: Emit,
    posargs: tuple[str, ...],
    selection: Selection,
    failed: Callable[[], Collection[str]],
    look: Look,
) -> SessionEnded:
    found = look.compiled(workspace)
    session = found.plan.session(name)
    if session is None:
        raise UnknownSession(f"the spec gives no session {name}", hint="`nox -l` lists them")
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    if session.not_run is not None:
        return SessionEnded(name, session.phase, "not-run", f"not run: {session.not_run}")
    needless = selection.needless(session, found.plan, failed())
    if needless is not None:
        return SessionEnded(name, session.phase, "not-run", f"not run: {needless}")
    if options.keep:
        require_plain(
            workspace.state,
            what="a directory kept by --keep",
            hint="run it without --keep, or in a checkout whose path is plain",
        )
    found.store.listen(lambda message: emit(Warned(name, message)))
    run = SessionRun(found, session, workspace, options, emit, posargs, selection)
    return run.to_its_end()


def _tidy(workspace: Workspace, emit: Emit, session: str) -> None:
    """Keep the cache within its limits, after something was added to it."""
    from mpforge.housekeeping.cache_directory import tidy

    tidy(
        workspace.cache,
        environment=os.environ,
        warn=lambda message: emit(Warned(session, message)),
    )


def refusal_error(refusal: Refusal) -> MpforgeError:
    """The error of a session that this host can't run."""
    known = (NotAvailableYet, NoStrategy, HostCannot, WrongInput, UnknownExtra, UnknownGroup)
    kinds = {kind.code: kind for kind in known}
    kind = kinds[refusal.error]
    return kind(refusal.what, why=refusal.why, hint=refusal.hint)


class NotRun(Exception):
    """A session has nothing to do after all; its text says why."""


@dataclass(frozen=True)
class SessionRun:
    """A session that runs, with everything that it needs."""

    found: Compiled
    session: PlannedSession
    workspace: Workspace
    options: Options
    emit: Emit
    posargs: tuple[str, ...] = ()
    selection: Selection = NOTHING_KNOWN
    dry: bool = False
    log: Path | None = None
    """Where its steps' logs go, if not where the session's own are."""

    def to_its_end(self) -> SessionEnded:
        """Do what the phase asks for."""
        try:
            return self._of_phase()
        except NotRun as told:
            reason = f"not run: {told}"
            return SessionEnded(self.session.name, self.session.phase, "not-run", reason)

    def _of_phase(self) -> SessionEnded:
        make_way(self.workspace.logs(self.session.name))
        if self.session.phase in ("sdist", "build"):
            for words in self.found.inputs.doubts:
                self.emit(Warned(self.session.name, words))
        match self.session.phase:
            case "sdist":
                return self._sdist()
            case "deps":
                return self._deps()
            case "build":
                return self._build(self.session)
            case "test":
                return self._test()
            case _:
                raise AssertionError(f"{self.session.phase} has no steps of its own")

    # --- what a run consists of ----------------------------------------------------------------

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
        """Where this session's tests run."""
        from mpforge.kinds.target_machines import Machines

        return Machines(self.workspace, self.pins, self.toolbox)

    @functools.cached_property
    def containers(self) -> "Containers":
        """The containers of this session's steps."""
        from mpforge.kinds.image_toolchain import Containers

        return Containers(self.workspace, self.pins, self.toolbox)

    @functools.cached_property
    def provision(self) -> Provision:
        """What this session's steps are given."""
        return Provision(
            plan=self.found.plan,
            store=self.found.store,
            toolbox=self.toolbox,
            pins=self.pins,
            inputs=self.found.inputs,
            machines=lambda: self.machines,
            containers=lambda: self.containers,
            posargs=self.posargs,
        )

    @functools.cached_property
    def realizer(self) -> Realizer:
        """What realizes this session's steps."""
        found = self.found

        def executor() -> "Executor":
            from mpforge.kinds.execution import Executor

            return Executor(
                found.store,
                self.toolbox,
                self.machines,
                self.pins,
                found.inputs,
                lambda: self.containers,
            )

        return Realizer(
            plan=found.plan,
            store=found.store,
            provision=self.provision,
            executor=executor,
            emit=self.emit,
            announce=self._announce,
            session=self.session.name,
            log=self.log or self.workspace.logs(self.session.name),
            keys=self.workspace.state / "keys",
            outputs=TestOutputs(found.store, self.workspace, self.session.name, self.emit),
            kept=self.workspace.state / "kept" if self.options.keep else None,
            use_cache=not self.options.no_cache,
            dry=self.dry,
        )

    @functools.cached_property
    def shipping(self) -> Shipping:
        """What ``dist/`` ships, as this session sees it."""
        return Shipping(
            self.found,
            self.workspace,
            self.provision,
            no_cache=self.options.no_cache,
            emit=self.emit,
        )

    # --- saying what will happen ---------------------------------------------------------------

    @functools.cached_property
    def _announced(self) -> list[str]:
        return []

    def _announce(self) -> None:
        """Before the first thing is fetched or made: a line for each target of the run."""
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
                self._pin_choice(session)

    def _pin_choice(self, deps: PlannedSession) -> None:
        """Record in the lock what ``auto`` chose for a target, where it did."""
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
        """What a target's builds will download."""
        from mpforge.engine.downloads import to_fetch

        return to_fetch(
            deps,
            plan=self.found.plan,
            lock=self.pins.lock,
            toolbox=self.toolbox,
            realizer=self.realizer,
        )

    # --- the phases ----------------------------------------------------------------------------

    def _sdist(self) -> SessionEnded:
        session = self.session
        shipped = self.shipping.already(session)
        if shipped is not None:
            return self._cached(shipped[0].key)
        users = self.selection.usable_by(session, self.found.plan)
        if users and session.name not in self.selection.named:
            self._require_means(users)
            return self._ended(self._realize(session)[0].key)  # who builds from it publishes it
        return self._ended(self._publish(session, _archive).key)

    def _require_means(self, users: list[PlannedSession]) -> None:
        """Raise ``NotRun`` if no build that uses the sdist can run here: no interpreter, or no engine."""
        reasons: list[str] = []
        for user in users:
            try:
                for compilers in user.compilers:
                    if compilers.inside is not None:
                        self.containers.emulates(compilers.inside)
                    elif compilers.python is not None:
                        self.toolbox.host_python(compilers.python)
            except HostCannot as error:
                reasons.append(error.what)
        if reasons and len(reasons) == len(users):
            raise NotRun(reasons[0])

    def _publish_sdist(self, build: PlannedSession) -> None:
        """Publish the sdist with the first build that came of it: a failed build leaves none behind."""
        made = self.found.plan.session("sdist")
        if made is None or made.result is None or made.name not in build.requires:
            return
        if made.name not in self.selection.names or made.name in self.selection.named:
            return
        if self.shipping.already(made) is None:
            self._publish(made, _archive)

    def _deps(self) -> SessionEnded:
        from mpforge.kinds import prepare_tools

        self._pin_choice(self.session)
        shipped = self.shipping.all_from_elsewhere(self.session.target)
        if shipped:
            return self._cached(digest_of({entry.path: entry.key for entry in shipped}))
        tools = prepare_tools.usable(
            self.provision,
            self.session.compilers,
            lambda absent: self.emit(Warned(self.session.name, absent)),
        )
        key = digest_of(tools.parts())
        if tools.is_done(key) and not self.options.no_cache:
            return self._cached(key)
        self._announce()
        tools.run(key)
        return SessionEnded(self.session.name, "deps", "done", f"ready: {short(key)}")

    def _build(self, session: PlannedSession) -> SessionEnded:
        ended = self._build_alone(session)
        self._publish_sdist(session)
        return ended

    def _build_alone(self, session: PlannedSession) -> SessionEnded:
        shipped = self.shipping.already(session)
        if shipped is not None:
            return self._cached(shipped[0].key)
        self.refuse_excluded(session)
        served = self._served_by_lowest(session)
        if served is not None:
            return served

        def every_file(_result: ActionResult, tree: Directory) -> dict[str, FileNode | str]:
            return {f"{session.folder}{path}": node for path, node in tree.walk()}

        return self._ended(self._publish(session, every_file).key)

    def _served_by_lowest(self, session: PlannedSession) -> SessionEnded | None:
        """Where the lowest Python's wheel serves this one too (abi3, pure), point to it."""
        lowest = self.found.plan.session(session.after) if session.after else None
        if lowest is None or session.python is None or lowest.refusal is not None:
            return None
        from mpforge.artifacts.verification import serves

        try:
            self._build(lowest)
        except (NoHostPython, NotRun):
            return None
        for entry in self.shipping.dist.of(lowest.name):
            if self.shipping.dist.intact(entry) and serves(Path(entry.path).name, session.python):
                self.shipping.dist.serve(entry, session.name)
                self.emit(Published(session.name, f"dist/{entry.path}", entry.digest, False))
                return self._ended(entry.key)
        return None

    def _test(self) -> SessionEnded:
        session = self.session
        step = self.found.plan.step(session.result or "")
        self.require_machine()
        entries = self.see_shipped()
        import_only = step.tests is not None and not step.tests.commands
        self.realizer.outputs.clear()
        try:
            result, tree = self.realizer.realize(step.id)
        except StepFailed:
            for entry in entries:
                self.shipping.dist.forget_test(entry, session.name)
            raise
        self.realizer.outputs.put(step, tree)
        facts = {**result.facts, "key": result.key, "passed": result.finished}
        if not self.posargs:  # a selection of tests is no test of what is shipped
            for entry in entries:
                self.shipping.dist.record_test(entry, session.name, facts)
        names = ", ".join(entry.path for entry in entries)
        machine, cpu = result.facts["machine"], result.facts.get("cpu")
        self.emit(Tested(session.name, names, machine, cpu, import_only))
        reason = f"passed on {machine}" + (f" ({cpu})" if cpu else "")
        if step.id in self.realizer.ran:
            status: SessionEnded = SessionEnded(session.name, "test", "done", reason)
        else:
            when = result.finished[:10]
            words = f"cached: passed {when}, {short(result.key)}"
            status = SessionEnded(session.name, "test", "cached", words)
        return replace(status, import_only=import_only)

    # --- parts of the phases -------------------------------------------------------------------

    def require_machine(self) -> None:
        """Refuse a test on a CPU model that there is not, before anything is built for it."""
        tests = self.found.plan.step(self.session.result or "").tests
        if tests is not None:
            self.machines.check(tests.machine)

    def see_shipped(self) -> tuple[Entry, ...]:
        """Find what this test session tests, built only if there is none."""
        tests = self.found.plan.step(self.session.result or "").tests
        if tests is None:
            raise TypeError(f"{self.session.name} is no test")
        build = self.found.plan.session(tests.shipped.session)
        if build is None:
            raise AssertionError(f"{tests.shipped.session} is no session")
        entries = self._shipped(build)
        self.provision.shipped = {build.name: self.shipping.as_shipped(entries, build.folder)}
        return entries

    def refuse_excluded(self, session: PlannedSession) -> None:
        """Raise ``NotRun`` where the sdist says that the project has no wheel for this Python.

        For metadata that a backend computes: what stands in files the plan knows.
        """
        made = self.found.plan.session("sdist")
        if not session.asks_sdist or session.python is None or made is None:
            return
        from mpforge.artifacts.core_metadata import requires_python
        from mpforge.compiler.pythons import allows

        _, tree = self._realize(made)
        node = tree.directories["tree"].get("PKG-INFO")
        text = ""
        # What is damaged is found and mended by the step that is given it.
        with contextlib.suppress(Damaged):
            text = self.found.store.read(node.digest).decode("utf-8", "replace") if node else ""
        wanted = requires_python(text)
        try:
            allowed = not wanted or allows(wanted, session.python)
        except ValueError:
            return  # an old setuptools writes what is none; installers will say so
        if not allowed:
            raise NotRun(f"PKG-INFO's Requires-Python is {wanted}")

    def _realize(self, session: PlannedSession) -> tuple[ActionResult, Directory]:
        if session.result is None:
            raise AssertionError(f"{session.name} has no result")
        return self.realizer.realize(session.result)

    def _shipped(self, build: PlannedSession) -> tuple[Entry, ...]:
        """What a test tests: what is shipped, built only if there is none."""
        entries = self.shipping.matching(build)
        if entries and not self.options.no_cache:
            return entries
        if build.refusal is not None:
            raise refusal_error(build.refusal)
        if self.dry:
            raise NotMade(build.name)
        self._build(build)
        return self.shipping.dist.of(build.name)

    def _publish(self, session: PlannedSession, pick: "Pick") -> ActionResult:
        """Realize a session's result and publish the files that ``pick`` takes of it.

        What proves damaged on the way out of the store is made again, each thing once.
        """
        told: set[str] = set()
        while True:
            result, tree = self._realize(session)
            try:
                observed = self.realizer.observed(session.result or "")
                self.shipping.put_in_place(session, result, pick(result, tree), observed)
            except Damaged as error:
                if error.what in told:
                    raise
                told.add(error.what)
                self.emit(Warned(session.name, f"{error.what}; it is made again"))
                self.realizer.disown(session.result or "")
            else:
                return result

    def _ended(self, key: str) -> SessionEnded:
        if self.realizer.ran:
            words = f"built: {short(key)}"
            return SessionEnded(self.session.name, self.session.phase, "done", words)
        return self._cached(key)

    def _cached(self, key: str) -> SessionEnded:
        return SessionEnded(
            self.session.name, self.session.phase, "cached", f"cached: {short(key)}"
        )


def _archive(result: ActionResult, tree: Directory) -> dict[str, FileNode | str]:
    """The sdist among what its step made."""
    name = result.facts["sdist"]
    return {name: tree.directories["archive"].files[name]}
