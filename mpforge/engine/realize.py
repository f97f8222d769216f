"""Get a step's result: from the store if its key is known there, else by running the step.

Need-based: a step's inputs are realized first, so a session that is run alone finds or makes what it needs.
Only full success is stored, blobs first. Knows nothing of sessions or ``dist/``.
"""

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mpforge.engine.execute_step import Executed, FaultOfStore, LoggedExecution
from mpforge.engine.test_outputs import TestOutputs
from mpforge.errors import Damaged
from mpforge.keys.digest import to_json
from mpforge.keys.walk import references
from mpforge.kinds import observed_reads
from mpforge.kinds.registry import kind_of
from mpforge.kinds.step_ingredients import Provision, files
from mpforge.kinds.task import WARNINGS, Given, Task
from mpforge.plan.events import StepEnded, StepHit, StepStarted
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.reporter import Reporter
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import InstallPackages, OutputOf, Step, Work
from mpforge.processes import children_cpu
from mpforge.processes.interrupts import interrupted
from mpforge.store import notes
from mpforge.store.files import make_way, remove_tree
from mpforge.store.protocols import SessionStore
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory
from mpforge.workspace import KEPT

if TYPE_CHECKING:
    from mpforge.places.step import StepDirectory, StepRun

T = TypeVar("T")


@dataclass
class Realizer:
    """Realizes steps of a plan for one session.

    ``ran`` are the steps that were not in the store; ``listed`` each step's key and its record. ``kept`` is
    the directory for failed steps' directories, if they are kept. A ``dry`` one runs and writes nothing: it
    raises ``NotMade`` at the first step that would run.
    """

    plan: Plan
    store: SessionStore
    provision: Provision
    reporter: Reporter
    announce: Callable[[], None]
    log: Path
    keys: Path
    outputs: TestOutputs
    use_cache: bool
    kept: Path | None
    dry: bool = False
    ran: list[str] = field(default_factory=list)
    listed: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _outdated: dict[str, str] = field(default_factory=dict)
    """For each step with an outdated stored result: which files that it had read have changed, as text."""
    _done: dict[str, tuple[ActionResult, Directory]] = field(default_factory=dict)
    _made: dict[str, tuple[ActionResult, Directory]] = field(default_factory=dict)

    def realize(self, identifier: str) -> tuple[ActionResult, Directory]:
        """Return the result of a step and its output tree. Raises what the step raises."""
        if identifier not in self._done:
            self._done[identifier] = self._mending(
                self.provision.step(identifier), self._found_or_made
            )
        return self._done[identifier]

    def observed(self, identifier: str) -> tuple[str, ...]:
        """Return the ``observed.key_with`` of each result, up to this step's, whose step read host files."""
        found: dict[str, None] = {}
        for name in _made_before(self.provision.step(identifier)):
            found |= dict.fromkeys(self.observed(name))
        result, _ = self.realize(identifier)
        if any(name.startswith(observed_reads.HOST) for name in result.observed):
            found[observed_reads.key_with(result.key, result.observed)] = None
        return tuple(found)

    def has_packages(self, request: EnvironmentRequest) -> bool:
        """Return whether a pinned environment is in the store. Raises ``NoHostPython``."""
        pin = self.provision.pins.lock.environment(request)
        if pin is None or not self.use_cache:
            return False
        step = Step("environment", "", InstallPackages(request))
        key, _ = self.provision.key(step, Given({}, packages=pin))
        return self.store.find(key) is not None

    @contextlib.contextmanager
    def entered(
        self, identifier: str, visitor: "Callable[[StepRun], int] | None" = None
    ) -> Iterator[Task]:
        """Yield the task of a step that a user enters, or traces: nothing of it is stored.

        Its directory is removed when the block ends, unless it is to be kept.
        """
        from mpforge.places.step import StepDirectory

        step = self.provision.step(identifier)
        given = self._mending(step, self._settled)
        directory = StepDirectory(self._directory(step))
        try:
            make_way(self.log)
            with self.log.open("ab") as log:
                yield Task(step, given, directory, log, visitor, keeps=self.kept is not None)
        finally:
            if self.kept is None:
                remove_tree(directory.root)

    def _settled(self, step: Step) -> Given:
        """Realize a step's inputs and return them, all of them in the store."""
        self._keyed(step)
        self.provision.settle(step)
        return self._keyed(step)[1]

    # --- from key to result --------------------------------------------------------------------

    def _mending(self, step: Step, do: Callable[[Step], T]) -> T:
        """Call ``do`` for a step; inputs that turn out damaged are made again first, each once."""
        told: set[str] = set()
        while True:
            try:
                return do(step)
            except Damaged as error:
                if self.dry or error.what in told:
                    raise
                told.add(error.what)
                self._mend(step, error)

    def _found_or_made(self, step: Step) -> tuple[ActionResult, Directory]:
        key, given = self._keyed(step)
        hit = self._hit(step, key, given)
        if self.dry and hit is None:
            raise NotMade(step.id, self._outdated.get(step.id, ""))
        if not self.dry:
            self._remember(step.id)
        while hit is None:
            # One process runs the step, the others wait and then hit.
            with self.store.alone(key, lambda: self.reporter.waits(step.id)):
                hit = self._hit(step, key, given)
                if hit is not None:
                    break
                # The step will read the inputs that are stored now, so the key is computed from them; if it
                # differs from before, another process may hold its lock or have stored its result.
                self.provision.settle(step)
                settled, given = self._keyed(step)
                if settled == key:
                    self._remember(step.id)
                    return self._run(step, key, given)
                key = settled
        return hit

    def _keyed(self, step: Step) -> tuple[str, Given]:
        given = self.provision.given(step, self.realize)
        key, listed = self.provision.key(step, given)
        self.listed[step.id] = key, to_json(listed, files(given))
        return key, given

    def _mend(self, step: Step, error: Damaged) -> None:
        """Forget the damaged inputs of a step, so that they are made and stored again."""
        self.reporter.warn(f"{error.what}; mpforge makes the inputs of {step.title} again")
        self.provision.inputs.forget()
        for identifier in _made_before(step):
            known = self._done.get(identifier)
            if known is not None and not self._is_whole(known[1]):
                self.disown(identifier)

    def _is_whole(self, tree: Directory) -> bool:
        try:
            self.store.check(tree)
        except Damaged:
            return False
        return True

    def disown(self, identifier: str) -> None:
        """Forget a step's result that turned out damaged: it is made again when it is needed."""
        result, _ = self._done.pop(identifier)
        self.store.forget(result.key)
        self._made.pop(result.key, None)
        for other in [name for name, (known, _) in self._done.items() if known.key == result.key]:
            del self._done[other]

    def _hit(self, step: Step, key: str, given: Given) -> tuple[ActionResult, Directory] | None:
        self._outdated.pop(step.id, None)
        if key in self._made:  # two steps with the same key are one step, even without the store
            made, tree = self._made[key]
            if self._counts(made, step, given):
                return made, tree
        if not self.use_cache or not step.cache:
            return None
        try:
            result = self._found(key, step, given)
            if result is None or is_less_isolated(result):
                return None
            found = result, self.store.tree(result.tree)
            self.store.check(found[1])
        except Damaged as error:
            self.reporter.warn(f"{error.what}; mpforge makes {step.title} again")
            return None
        self.reporter.emit(StepHit(self.reporter.session, step.id, key))
        self._tell(result)
        return found

    def _found(self, key: str, step: Step, given: Given) -> ActionResult | None:
        """Return the stored result of a key whose recorded host files are unchanged. Raises ``Damaged``."""
        result = self.store.find(key)
        if result is None or self._counts(result, step, given):
            return result
        now = self.provision.read_now(result.observed, given)
        former = self.store.find(observed_reads.key_with(key, now))
        return former and replace(former, key=key)

    def _counts(self, result: ActionResult, step: Step, given: Given) -> bool:
        """Return whether the host files that a result depends on without its key are unchanged."""
        now = self.provision.read_now(result.observed, given)
        self._outdated[step.id] = observed_reads.difference(result.observed, now)
        return not self._outdated[step.id]

    def _tell(self, result: ActionResult) -> None:
        """Emit a result's warnings, each time it is used."""
        for line in json.loads(result.facts.get(WARNINGS, "[]")):
            self.reporter.warn(line)

    def _run(self, step: Step, key: str, given: Given) -> tuple[ActionResult, Directory]:
        self.announce()
        try:
            return self._run_once(step, key, given)
        except FaultOfStore as fault:
            if not self.store.give_up(fault.words):
                raise fault.error from None
            return self._run_once(step, key, given)

    def _run_once(self, step: Step, key: str, given: Given) -> tuple[ActionResult, Directory]:
        why = self._outdated.get(step.id, "")
        self.reporter.emit(
            StepStarted(self.reporter.session, step.id, step.title, str(self.log), why)
        )
        directory, unkept = self._directory_of_run(step)
        start, cpu = time.monotonic(), children_cpu()
        failed = True
        try:
            is_main = self._is_main(step)
            ran = self._execution.run(step, key, given, directory, is_main=is_main)
            if interrupted():
                raise KeyboardInterrupt
            self.ran.append(step.id)
            self._made[key] = self._stored(step, key, ran, directory)
            failed = False
            return self._made[key]
        finally:
            seconds, used = time.monotonic() - start, children_cpu() - cpu
            self.reporter.emit(
                StepEnded(self.reporter.session, step.id, key, seconds, used, failed)
            )
            if failed:
                self.outputs.put_of_failure(step, directory.output)
            else:
                self._tell(self._made[key][0])
            if failed and unkept:
                self.reporter.warn(unkept)
            if failed and self.kept is not None and not unkept:
                self.reporter.warn(f"kept: {directory.root}")
            else:
                remove_tree(directory.root)

    @functools.cached_property
    def _execution(self) -> LoggedExecution:
        return LoggedExecution(self.log, self.provision, keeps=self.kept is not None)

    def _is_main(self, step: Step) -> bool:
        """Return whether a step is the one that `mpforge shell` enters for this session."""
        session = self.plan.session(self.reporter.session)
        main = None if session is None else self.plan.main_step(session)
        return main is not None and main.id == step.id

    def _stored(
        self, step: Step, key: str, ran: Executed, directory: "StepDirectory"
    ) -> tuple[ActionResult, Directory]:
        """Store the outcome of a step: its files and log, then the result."""
        secret = self._saw_secret(step)
        kind = kind_of(step.command)
        packed = step.command.work is Work.FETCH and not kind.files_are_read
        tree = self.store.put_directory(directory.output, packed=packed, private=secret)
        result = ActionResult(
            key=key,
            tree=tree.digest(),
            log=self.store.put_bytes(ran.log, private=secret),
            facts=ran.facts,
            cpu_seconds=round(ran.cpu_seconds, 3),
            seconds=round(ran.seconds, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            observed=ran.observed,
            inputs=tuple(self._done[name][0].key for name in _made_before(step)),
        )
        if step.cache and not secret:
            if result.observed:  # found again if the host's files are the same
                self.store.keep(replace(result, key=observed_reads.key_with(key, result.observed)))
            self.store.keep(result)
        return result, tree

    def _directory(self, step: Step) -> Path:
        """Return a step's working directory: in the store, or where it stays if it may have to be kept."""
        if self.kept is None:
            return self.store.work_directory()
        self.store.use(f"{KEPT} {self.kept.name}", at_once=True)
        place = self.kept / step.id
        remove_tree(place)
        place.mkdir(parents=True)
        return place

    def _directory_of_run(self, step: Step) -> "tuple[StepDirectory, str]":
        """Return the directory of a step that runs, and the reason why it can't be kept; empty if it can."""
        from mpforge.places.step import StepDirectory

        try:
            return StepDirectory(self._directory(step)), ""
        except OSError as error:
            if self.kept is None:
                raise
            unkept = f"not kept: {self.kept} can't be written: {error.strerror}"
            return StepDirectory(self.store.work_directory()), unkept

    def _saw_secret(self, step: Step) -> bool:
        """Return whether a step sees a secret, directly or through its inputs."""
        below = map(self.provision.step, _made_before(step))
        return bool(step.variables.secrets) or any(map(self._saw_secret, below))

    def _remember(self, identifier: str) -> None:
        """Keep the key's ingredients of this run and of the one before, for ``explain``."""
        record = self.listed[identifier][1]
        place = self.keys / f"{identifier}.json"
        try:
            before = notes.load(place)
            if before == record:
                return
            if before is not None:
                notes.put(place.with_suffix(".previous.json"), notes.sealed(before))
            notes.put(place, notes.sealed(record))
        except OSError as error:
            self.reporter.warn(f"{place} can't be written: {error.strerror}")


class NotMade(Exception):
    """Raised in a dry run if a step's result is not in the store, so later keys are unknown.

    ``why`` says which stored result was rejected, and why.
    """

    def __init__(self, step: str, why: str = "") -> None:
        super().__init__(step)
        self.step = step
        self.why = why


def _made_before(step: Step) -> list[str]:
    """Return the steps whose outputs a step refers to."""
    return [value.step for value in references(step).values() if isinstance(value, OutputOf)]


def is_less_isolated(result: ActionResult) -> bool:
    """Return whether a step was made with less isolation than this host can provide."""
    from mpforge.places.isolation import more_is_possible

    return "isolation" in result.facts and more_is_possible(result.facts)
