"""Provide the places of a session's steps: what each adds to a key, and how steps run there.

Naming parts runs nothing in a place. Modules that only running needs are imported when it runs.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from mpforge.errors import NoHostPython
from mpforge.keys.walk import ABSENT
from mpforge.kinds.toolbox import Toolbox
from mpforge.plan.places import InImage, Machine, OnHost, PlannedPlace
from mpforge.plan.steps import AskRequirements, BuildWheel, Step
from mpforge.plan.toolchains import Compilers

if TYPE_CHECKING:
    from mpforge.kinds.container_runtime import Containers
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.hook_calls import HookCalls
    from mpforge.kinds.target_machines import Machines, ReadyMachine
    from mpforge.kinds.task import Task
    from mpforge.places.isolation import Isolation
    from mpforge.places.place import Place


class ProvidedPlace(Protocol):
    """A planned place in a session."""

    # --- for keys ------------------------------------------------------------------------------

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        """Return the parts of the place for compilers that are called in it."""

    def program_parts(self, step: Step) -> dict[str, str]:
        """Return the parts of the programs on a step's PATH."""

    def hook_parts(self, python: str, *, installed: bool) -> dict[str, str]:
        """Return the parts of the interpreter that calls hooks; if ``installed``, with its packages."""

    def machine_parts(self, machine: Machine, python: str | None) -> dict[str, str]:
        """Return the parts of the machine for tests."""

    # --- making ready --------------------------------------------------------------------------

    def require(self, python: str | None) -> None:
        """Raise ``HostCannot`` if builds by this Python can't run there."""

    def prepare(self, compilers: Compilers, pythons: tuple[str, ...]) -> None:
        """Obtain what all builds with these compilers, by its Pythons, share. Raises what that raises."""

    def is_prepared(self, key: str) -> bool:
        """Return whether the preparation of a key is done."""

    def remember(self, key: str) -> None:
        """Remember that the preparation of a key is done."""

    # --- a step --------------------------------------------------------------------------------

    def isolation(self) -> "Isolation":
        """Return how far programs there are kept apart from this host."""

    def folders(self, step: Step, *, git: bool) -> tuple[str, ...]:
        """Return the directories of this host on a step's PATH; with ``git`` also git's."""

    def hooks(
        self,
        task: "Task",
        command: AskRequirements | BuildWheel,
        executor: "Executor",
        *,
        builds: bool,
    ) -> "AbstractContextManager[HookCalls]":
        """Yield a build backend's hooks with the source in place; as ``hook_calls.opened``."""

    def on_machine(
        self, task: "Task", machine: Machine, python: str | None
    ) -> "AbstractContextManager[tuple[ReadyMachine, Place]]":
        """Yield the machine for a step's tests, and their place."""

    def reopened(self, task: "Task") -> "AbstractContextManager[Place]":
        """Yield the place with a step's directory as a failed run left it."""


@dataclass(frozen=True)
class Places:
    """The places of a session's steps."""

    toolbox: Toolbox
    machines: "Callable[[], Machines]"
    containers: "Callable[[], Containers]"

    def of(self, place: PlannedPlace) -> ProvidedPlace:
        """Return a planned place as this session provides it."""
        match place:
            case OnHost():
                return ProvidedHost(self.toolbox, self.machines)
            case InImage():
                from mpforge.kinds.image_place import ProvidedImage

                return ProvidedImage(place, self.containers(), self.toolbox)
            case never:
                assert_never(never)


@dataclass(frozen=True)
class ProvidedHost:
    """This host; its interpreters and programs are parts of their own."""

    toolbox: Toolbox
    machines: "Callable[[], Machines]"

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:  # noqa: ARG002
        """Return none: the compilers have parts of their own."""
        return {}

    def program_parts(self, step: Step) -> dict[str, str]:
        """Return the parts of the base set and the declared tools."""
        return self.toolbox.programs.parts(step)

    def hook_parts(self, python: str, *, installed: bool) -> dict[str, str]:
        """Return the parts of this host's interpreter."""
        parts = self.toolbox.python_parts(python)
        return parts | self.toolbox.installed(python).parts() if installed else parts

    def machine_parts(self, machine: Machine, python: str | None) -> dict[str, str]:
        """Return the parts of this host, or of its emulator and the target's Python."""
        return self.machines().parts(machine, python)

    def require(self, python: str | None) -> None:
        """Raise ``NoHostPython`` if this host lacks the interpreter."""
        if python is not None:
            self.toolbox.host_python(python)

    def prepare(self, compilers: Compilers, pythons: tuple[str, ...]) -> None:
        """Do nothing: the compilers are all that is needed."""

    def is_prepared(self, key: str) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    def remember(self, key: str) -> None:
        """Do nothing."""

    def isolation(self) -> "Isolation":
        """Return as much as this host allows."""
        from mpforge.places.isolation import isolation

        return isolation()

    def folders(self, step: Step, *, git: bool) -> tuple[str, ...]:
        """Return the directories of the base set and the declared tools."""
        return self.toolbox.programs.folders(step, git=git)

    @contextlib.contextmanager
    def hooks(
        self,
        task: "Task",
        command: AskRequirements | BuildWheel,
        executor: "Executor",
        *,
        builds: bool,
    ) -> "Iterator[HookCalls]":
        """Yield the hooks in the build environment, called by this host's interpreter."""
        from mpforge.kinds import hook_calls

        executor.sources.put(task, vcs=command.hook == "sdist")
        ready = None
        if command.compilers is not None:
            ready = (
                executor.build_tools.ready(task, command.compilers, task.given.trees["source"])
                if builds
                else executor.toolbox.compilers(command.compilers, (), task.directory.root)
            )
        yield hook_calls.on_host(task, command, executor, ready)

    @contextlib.contextmanager
    def on_machine(
        self, task: "Task", machine: Machine, python: str | None
    ) -> "Iterator[tuple[ReadyMachine, Place]]":
        """Yield this host, or its emulator."""
        with self.reopened(task) as place:
            yield self.machines().ready(machine, python), place

    @contextlib.contextmanager
    def reopened(self, task: "Task") -> "Iterator[Place]":
        """Yield this host, which has the step's directory."""
        from mpforge.places.host import HostPlace

        yield HostPlace(self.isolation(), task.step.network)


def python_if_here(toolbox: Toolbox, word: str) -> dict[str, str]:
    """Return the parts of an interpreter that compiles modules for others, if this host has it."""
    try:
        return toolbox.python_parts(word)
    except NoHostPython:
        return {"python.version": ABSENT}
