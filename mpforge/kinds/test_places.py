"""Running a step's tests where its machine is: on this host, under its emulator, or in an image."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpforge.artifacts.declared_outputs import collect
from mpforge.errors import OutputMissing, StepFailed
from mpforge.kinds import test_run
from mpforge.kinds.target_machines import Machines, ReadyMachine
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.host import HostPlace
from mpforge.places.isolation import isolation
from mpforge.places.place import Place
from mpforge.places.step import StepRun
from mpforge.plan.model import RunTests
from mpforge.store.local import Store

if TYPE_CHECKING:
    from mpforge.kinds.image_toolchain import Containers


@dataclass(frozen=True)
class TestRuns:
    """Test runs of a session; ``start`` gives what runs a step's programs, as ``Executor`` does."""

    __test__ = False  # not a test class, whatever pytest makes of its name

    store: Store
    toolbox: Toolbox
    machines: Machines
    containers: "Callable[[], Containers]"
    start: Callable[..., StepRun]

    def run(self, task: Task, command: RunTests) -> dict[str, str]:
        """Run the tests; what was read back of the machine. Raises what ``tests.run`` raises."""
        if command.machine.inside is not None:
            with self.containers().opened(task, command.machine.inside) as place:
                ready = self.containers().machine(place, command.machine, command.python)
                return self._on(task, command, ready, place)
        ready = self.machines.ready(command.machine, command.python)
        return self._on(task, command, ready, HostPlace(isolation(), task.step.network))

    def _on(
        self, task: Task, command: RunTests, ready: ReadyMachine, place: Place
    ) -> dict[str, str]:
        """Run tests on a machine, in a place of it."""
        self.store.restore(task.given.trees["source"], task.directory.source)
        self.store.restore(task.given.trees["shipped"], test_run.shipped_directory(task.directory))
        scene = test_run.Scene(
            directory=task.directory,
            machine=command.machine,
            emulator=ready.emulator,
            python=ready.python,
            sysroot=ready.sysroot,
            compile_with=None
            if command.python is None
            else self.toolbox.host_python(command.python).executable,
            place=place,
        )
        if command.environment is not None:
            self.store.restore(task.given.trees["environment"], task.directory.environment)
        placeholders, path = test_run.prepare(scene, task.given.posargs)
        variables = dict(place.emulation(scene.model))
        if scene.python is not None:
            variables["VIRTUAL_ENV"] = str(task.directory.environment)
        run = self.start(task, variables, path, placeholders=placeholders)
        place.put()
        run = dataclasses.replace(run, place=place)
        try:
            facts = test_run.run(run, scene, command, task.given.posargs)
        except StepFailed:
            self._collect(run, command)
            raise
        missing = self._collect(run, command)
        if missing:
            raise OutputMissing(
                f"{task.step.title} passed, but no file matches {missing[0]!r}",
                why="declared in [test] outputs",
                hint="paths are relative to the directory where tests run",
            )
        return facts

    @staticmethod
    def _collect(run: StepRun, command: RunTests) -> tuple[str, ...]:
        """Take what the tests declare as outputs, as far as it is there; the globs that match nothing."""
        if not command.outputs:
            return ()
        run.bring_back(run.directory.source, harmless=True)
        return collect(command.outputs, run.directory.source, run.directory.output)
