"""Provide the places of a session's steps: what each adds to a key, and how steps run there.

Provided places have the same methods; ``ProvidedHost`` says what each is for. Naming parts runs nothing in a
place. Modules that only running needs are imported when it runs.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, assert_never

from mpforge.errors import NoHostPython
from mpforge.keys.walk import ABSENT
from mpforge.kinds import named_paths
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.root_contents import STEP
from mpforge.plan.places import InImage, Machine, OnHost, PlannedPlace
from mpforge.plan.steps import AskRequirements, BuildWheel, Step, Work
from mpforge.plan.toolchains import Compilers

if TYPE_CHECKING:
    from mpforge.kinds.container_runtime import Containers
    from mpforge.kinds.hook_calls import HookCalls
    from mpforge.kinds.image_place import ProvidedImage
    from mpforge.kinds.image_roots import ImageRoots
    from mpforge.kinds.step_ingredients import Provision
    from mpforge.kinds.target_machines import Machines, ReadyMachine
    from mpforge.kinds.task import Task
    from mpforge.places.isolation import Isolation
    from mpforge.places.place import Place


ProvidedPlace: TypeAlias = "ProvidedHost | ProvidedImage"


@dataclass(frozen=True)
class Places:
    """The places of a session's steps."""

    toolbox: Toolbox
    machines: "Callable[[], Machines]"
    containers: "Callable[[], Containers]"
    roots: "Callable[[], ImageRoots]"
    inputs: Inputs

    def of(self, place: PlannedPlace) -> ProvidedPlace:
        """Return a planned place as this session provides it."""
        match place:
            case OnHost():
                return ProvidedHost(self.toolbox, self.machines)
            case InImage():
                from mpforge.kinds.image_place import ProvidedImage

                images = self.roots() if place.runtime == "sandbox" else self.containers()
                return ProvidedImage(place, images, self.toolbox, self.inputs)
            case never:
                assert_never(never)


@dataclass(frozen=True)
class ProvidedHost:
    """This host; its interpreters and programs are parts of their own."""

    toolbox: Toolbox
    machines: "Callable[[], Machines]"

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        """Return the place's parts for compilers that are called in it: none, they have their own."""
        return {}

    def program_parts(self, step: Step) -> dict[str, str]:
        """Return the parts of a step's programs and named paths, and its path in the sandbox."""
        if step.command.work is Work.FETCH:
            return {}
        named = named_paths.parts(step.texts(), self.toolbox.tools.host_files)
        programs = {} if self._has_root(step) else self.toolbox.programs.parts(step)
        return {"place": STEP} | named | programs

    def _has_root(self, step: Step) -> bool:
        """Return whether a step's programs see a target's root instead of this host's base programs."""
        tests = step.tests
        return tests is not None and self.machines().has_root(tests.machine, tests.python)

    def hook_parts(self, python: str, *, installed: bool) -> dict[str, str]:
        """Return the parts of the interpreter that calls hooks; if ``installed``, with its packages."""
        parts = self.toolbox.python_parts(python)
        return parts | self.toolbox.installed(python).parts() if installed else parts

    def machine_parts(self, machine: Machine, python: str | None) -> dict[str, str]:
        """Return the parts of a test's machine: of this host, or of its emulator and the target's Python."""
        return self.machines().parts(machine, python)

    def require(self, python: str | None) -> None:
        """Raise ``HostCannot`` if builds by this Python can't run there: this host lacks it."""
        if python is not None:
            self.toolbox.host_python(python)

    def prepare(self, compilers: Compilers, pythons: tuple[str, ...]) -> None:
        """Obtain what else builds with these compilers share there, by its Pythons: nothing."""

    def is_prepared(self, key: str) -> bool:
        """Return whether the preparation of a key is done."""
        return True

    def remember(self, key: str) -> None:
        """Remember that the preparation of a key is done."""

    def isolation(self) -> "Isolation":
        """Return how far programs are isolated from this host."""
        from mpforge.places.isolation import isolation

        return isolation()

    def folders(self, step: Step, *, git: bool) -> tuple[str, ...]:
        """Return this host's directories on a step's PATH: base set and declared tools, with ``git`` git.

        For tests in a target's root, the directories of that root.
        """
        if self._has_root(step):
            from mpforge.kinds import target_roots

            return target_roots.PATH
        return self.toolbox.programs.folders(step, git=git)

    @contextlib.contextmanager
    def hooks(
        self,
        task: "Task",
        command: AskRequirements | BuildWheel,
        provision: "Provision",
        *,
        builds: bool,
    ) -> "Iterator[HookCalls]":
        """Yield a step's hooks with its source in place, called by this host's interpreter."""
        from mpforge.kinds import build_tools, hook_calls, step_inputs

        step_inputs.put_source(task, provision, vcs=command.hook == "sdist")
        ready = None
        if (compilers := command.compilers) is not None:
            ready = build_tools.make_ready(task, provision, compilers, builds=builds)
        yield hook_calls.on_host(task, command, provision, ready)

    @contextlib.contextmanager
    def on_machine(
        self, task: "Task", machine: Machine, python: str | None
    ) -> "Iterator[tuple[ReadyMachine, Place]]":
        """Yield the machine for a step's tests, and the place that it is in."""
        from mpforge.kinds import visible_files

        ready = self.machines().ready(machine, python)
        place = visible_files.host_place(task.step, task.directory, self.toolbox, root=ready.root)
        yield ready, place

    @contextlib.contextmanager
    def reopened(self, task: "Task") -> "Iterator[Place]":
        """Yield the place with a step's directory as a failed run left it."""
        from mpforge.kinds import visible_files

        command = task.step.command
        visible_files.show_recorded_tools(task.directory, self.toolbox)
        self.folders(task.step, git=False)
        if command.python is not None:
            self.toolbox.host_python(command.python)
        if command.compilers is not None:
            self.toolbox.prepare(command.compilers)
        root = None
        if (tests := task.step.tests) is not None:
            root = self.machines().ready(tests.machine, tests.python).root
        yield visible_files.host_place(task.step, task.directory, self.toolbox, root=root)


def python_if_here(toolbox: Toolbox, word: str) -> dict[str, str]:
    """Return the parts of an interpreter that compiles modules for others, if this host has it."""
    try:
        return toolbox.python_parts(word)
    except NoHostPython:
        return {"python.version": ABSENT}
