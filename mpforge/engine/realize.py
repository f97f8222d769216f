"""A step's result: from the store if its key is known there, else by running it.

Need-based: a step's inputs are realized first, so a session that is run alone finds or makes what it
needs. Only full success is stored, blobs first. Knows nothing of sessions or ``dist/``.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mpforge.engine.provision import Provision, files
from mpforge.engine.task import Given, Task
from mpforge.engine.toolbox import COMPILER_NOTES
from mpforge.errors import Damaged, MpforgeError
from mpforge.keys.digest import to_json
from mpforge.keys.walk import references
from mpforge.plan.events import Emit, StepEnded, StepHit, StepStarted, StepWaits, Warned
from mpforge.plan.model import (
    InstallPackages,
    OutputOf,
    Plan,
    Step,
)
from mpforge.processes import children_cpu, interrupted
from mpforge.store.files import write_atomically
from mpforge.store.local import Store
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.engine.execution import Executor


@dataclass
class Realizer:
    """Realizes steps of a plan for one session.

    ``ran`` are the steps that were not in the store; ``listed`` each step's key and its record. A
    ``kept`` is where failed steps' directories are left, if at all. A
    ``dry`` one runs nothing and writes nothing: it raises ``NotMade`` at the first step that would run.
    """

    plan: Plan
    store: Store
    provision: Provision
    executor: "Callable[[], Executor]"
    emit: Emit
    announce: Callable[[], None]
    session: str
    log: Path
    keys: Path
    use_cache: bool
    kept: Path | None
    dry: bool = False
    ran: list[str] = field(default_factory=list)
    listed: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _logged: list[str] = field(default_factory=list)
    _done: dict[str, tuple[ActionResult, Directory]] = field(default_factory=dict)
    _made: dict[str, tuple[ActionResult, Directory]] = field(default_factory=dict)

    def realize(self, identifier: str) -> tuple[ActionResult, Directory]:
        """The result of a step and its output tree. Raises what the step raises."""
        if identifier not in self._done:
            self._done[identifier] = self._realize(self.plan.step(identifier))
        return self._done[identifier]

    def has_packages(self, identifier: str, command: InstallPackages) -> bool:
        """Whether an environment that the lock pins is in the store. Raises ``NoHostPython``."""
        pin = self.provision.pins.lock.environment(command.request)
        if pin is None or not self.use_cache:
            return False
        key, _ = self.provision.key(self.plan.step(identifier), Given({}, packages=pin))
        return self.store.find(key) is not None

    # --- from key to result --------------------------------------------------------------------

    def _realize(self, step: Step) -> tuple[ActionResult, Directory]:
        """The step's result; what it needs and proves damaged is made again first, once."""
        try:
            return self._found_or_made(step)
        except Damaged as error:
            if self.dry:
                raise
            self._mend(step, error)
            return self._found_or_made(step)

    def _found_or_made(self, step: Step) -> tuple[ActionResult, Directory]:
        key, given = self._keyed(step)
        hit = self._hit(step, key)
        if self.dry and hit is None:
            raise NotMade(step.id)
        if not self.dry:
            self._remember(step.id)
        while hit is None:
            with self._alone(step, key):
                hit = self._hit(step, key)
                if hit is not None:
                    break
                # What is stored now is what the step will see, so the key is taken from that; if it
                # is another one, somebody else may have its lock, or its result.
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
        """Forget what a step is given, as far as it is damaged: it is made and stored again."""
        self.emit(Warned(self.session, f"{error.what}; what {step.title} needs is made again"))
        self.provision.inputs.forget()
        needed = [v.step for v in references(step).values() if isinstance(v, OutputOf)]
        for identifier in needed:
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
        """Forget a step's result, which proved damaged: it is made again when it is needed."""
        result, _ = self._done.pop(identifier)
        self.store.forget(result.key)
        self._made.pop(result.key, None)
        for other in [name for name, (known, _) in self._done.items() if known.key == result.key]:
            del self._done[other]

    def _alone(self, step: Step, key: str) -> AbstractContextManager[object]:
        """The lock of a key: one process runs it, the others wait and then hit."""
        return self.store.alone(key, lambda: self.emit(StepWaits(self.session, step.id)))

    def _hit(self, step: Step, key: str) -> tuple[ActionResult, Directory] | None:
        if key in self._made:  # two steps of one key are one, without the store too
            return self._made[key]
        if not self.use_cache or not step.cache:
            return None
        try:
            result = self.store.find(key)
            if result is None or _was_open(result):
                return None
            found = result, self.store.tree(result.tree)
            self.store.check(found[1])
        except Damaged as error:
            self.emit(Warned(self.session, f"{error.what}; {step.title} is made again"))
            return None
        self.emit(StepHit(self.session, step.id, key))
        return found

    def _run(self, step: Step, key: str, given: Given) -> tuple[ActionResult, Directory]:
        self.announce()
        try:
            return self._run_once(step, key, given)
        except _OutOfRoom as error:
            if not self.store.give_up(os.strerror(errno.ENOSPC)):
                raise error.why from None
            return self._run_once(step, key, given)

    def _run_once(self, step: Step, key: str, given: Given) -> tuple[ActionResult, Directory]:
        self.emit(StepStarted(self.session, step.id, step.title, str(self.log)))
        from mpforge.runners.step import StepDirectory

        directory = StepDirectory(self._directory(step))
        start, cpu = time.monotonic(), children_cpu()
        failed = True
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if not self._logged:
            self.log.write_bytes(b"")
            self._logged.append(step.id)
        try:
            with self.log.open("ab") as log:
                begin = log.tell()
                log.write(f"== {step.id}: {step.title} ({key[:12]})\n".encode())
                log.flush()
                try:
                    facts = self.executor().execute(Task(step, given, directory, log))
                except (OSError, MpforgeError) as error:
                    if _out_of_room(error, self.log, begin):
                        raise _OutOfRoom(error) from None
                    raise
                _append_notes(directory.root / COMPILER_NOTES, log)
            if interrupted():
                raise KeyboardInterrupt
            self.ran.append(step.id)
            secret = self._saw_secret(step)
            tree = self.store.put_directory(
                directory.output,
                packed=isinstance(step.command, InstallPackages),
                private=secret,
            )
            result = ActionResult(
                key=key,
                tree=tree.digest(),
                log=self.store.put_bytes(_since(self.log, begin), private=secret),
                facts=facts,
                cpu_seconds=round(children_cpu() - cpu, 3),
                seconds=round(time.monotonic() - start, 3),
                finished=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            if step.cache and not secret:
                self.store.keep(result)
            failed = False
            self._made[key] = result, tree
            return result, tree
        finally:
            seconds = time.monotonic() - start
            used = children_cpu() - cpu
            self.emit(StepEnded(self.session, step.id, key, seconds, used, failed))
            if self.kept is not None and failed:
                self.emit(Warned(self.session, f"kept: {directory.root}"))
            else:
                shutil.rmtree(directory.root, ignore_errors=True)

    def _directory(self, step: Step) -> Path:
        """Where a step works: in the store, or in the checkout if it may have to be kept."""
        if self.kept is None:
            return self.store.work_directory()
        place = self.kept / step.id
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def _saw_secret(self, step: Step) -> bool:
        """Whether a step sees a secret, itself or by what it is given."""
        given = (v.step for v in references(step).values() if isinstance(v, OutputOf))
        below = (self.plan.step(name) for name in given)
        return bool(step.variables.secrets) or any(self._saw_secret(s) for s in below)

    def _remember(self, identifier: str) -> None:
        """Keep the ingredients of this run's key, and of the run before, for ``explain``."""
        record = json.dumps(self.listed[identifier][1], indent=1, sort_keys=True).encode()
        place = self.keys / f"{identifier}.json"
        try:
            if place.exists() and place.read_bytes() == record:
                return
            if place.exists():
                os.replace(place, place.with_suffix(".previous.json"))
            write_atomically(place, record)
        except OSError as error:
            self.emit(Warned(self.session, f"{place} can't be written: {error.strerror}"))


class NotMade(Exception):
    """In a dry run: a step's result is not in the store, so what follows can't be told."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


def _was_open(result: ActionResult) -> bool:
    """Whether a step had the network undeclared, on a host that could not help it; this one can."""
    if result.facts.get("network") != "open":
        return False
    from mpforge.runners.offline import isolation

    return isolation().cut_off is not None


class _OutOfRoom(Exception):
    """A step failed because the disk is full; ``why`` is how."""

    def __init__(self, why: OSError | MpforgeError) -> None:
        super().__init__(str(why))
        self.why = why


def _out_of_room(error: OSError | MpforgeError, log: Path, begin: int) -> bool:
    """Whether a step failed for want of room; programs say so with the C library's words."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    words = os.strerror(errno.ENOSPC)
    return words in (error.why or "") or words.encode() in _since(log, begin)


def _since(path: Path, begin: int) -> bytes:
    with path.open("rb") as file:
        file.seek(begin)
        return file.read()


def _append_notes(notes: Path, log: BinaryIO) -> None:
    """Say in the log what the compiler wrappers dropped or changed, each thing once."""
    if notes.is_file():
        lines = dict.fromkeys(notes.read_text("utf-8", "replace").splitlines())
        log.writelines(f"compiler: {' '.join(line.split(chr(9)))}\n".encode() for line in lines)
