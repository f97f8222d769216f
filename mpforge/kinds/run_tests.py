"""Run tests on their machine: on this host, under its emulator, or in an image."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mpforge.errors import OutputMissing, StepFailed
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.narrowed_trees import selected
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import RunTests
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize
    from mpforge.kinds.target_machines import ReadyMachine
    from mpforge.places.place import Place
    from mpforge.places.step import StepRun


# A command that calls pytest, and what pytest reads in the project's directory
# (https://docs.pytest.org/en/stable/reference/customize.html).
_CALLS_PYTEST = re.compile(r"(?<![\w.-])(?:pytest|py\.test)(?![\w.-])")
_OF_PYTEST = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini"),
    "setup.cfg",
)


class RunningTests(Kind[RunTests]):
    """Kind of the steps that run tests."""

    def seen(self, command: RunTests, source: Directory, inputs: Inputs) -> Directory:
        """Return the test sources, with the project's pytest configuration if they have none."""
        found = selected(source, command.sources)
        calls_pytest = any(map(_CALLS_PYTEST.search, map(str, command.commands)))
        if not calls_pytest or found == Directory() or any(map(found.at, _OF_PYTEST)):
            return found
        return selected(source, (*command.sources, *_OF_PYTEST, "conftest.py"))

    def given(
        self,
        command: RunTests,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return its trees, and the command line's arguments for the tests."""
        return Given(trees, posargs=provision.posargs if command.commands else ())

    def parts(self, command: RunTests, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the machine, and the command line's arguments."""
        place = provision.places.of(command.place)
        parts = place.machine_parts(command.machine, command.python)
        return parts | {"posargs": json.dumps(given.posargs)}

    def run(self, task: Task, command: RunTests, provision: "Provision") -> dict[str, str]:
        """Run the tests; return the machine's reported facts. Raises what ``test_run.run`` raises."""
        place = provision.places.of(command.place)
        with place.on_machine(task, command.machine, command.python) as (ready, there):
            return _on(task, command, provision, ready, there)


def _on(
    task: Task,
    command: RunTests,
    provision: "Provision",
    ready: "ReadyMachine",
    place: "Place",
) -> dict[str, str]:
    """Run tests on a machine, in a place of it."""
    from mpforge.kinds import execution, test_run

    store, trees, directory = provision.store, task.given.trees, task.directory
    store.restore(trees["source"], directory.source)
    scene = test_run.Scene(
        directory=directory,
        machine=command.machine,
        emulator=ready.emulator,
        python=ready.python,
        sysroot=ready.sysroot,
        compile_with=None
        if command.python is None
        else provision.toolbox.host_python(command.python).executable,
        place=place,
    )
    store.restore(trees["shipped"], scene.shipped)
    if command.environment is not None:
        store.restore(trees["environment"], directory.environment)
    placeholders, path = test_run.prepare(scene, task.given.posargs)
    variables = dict(place.emulation(scene.model))
    if scene.python is not None:
        variables["VIRTUAL_ENV"] = str(directory.environment)
    run = execution.start(task, provision, variables, path, placeholders=placeholders)
    place.put()
    run = dataclasses.replace(run, place=place)
    try:
        facts = test_run.run(run, scene, command, task.given.posargs)
    except StepFailed:
        _collect(run, command)
        raise
    for missing in _collect(run, command):
        raise OutputMissing(
            f"{task.step.title} passed, but no file matches {missing!r}",
            why="declared in [test] outputs",
            hint="paths are relative to the directory where tests run",
        )
    return facts


def _collect(run: "StepRun", command: RunTests) -> tuple[str, ...]:
    """Collect the declared outputs that tests have written; return the globs that match nothing."""
    from mpforge.artifacts.declared_outputs import collect

    if not command.outputs:
        return ()
    run.bring_back(run.directory.source, harmless=True)
    return collect(command.outputs, run.directory.source, run.directory.output)
