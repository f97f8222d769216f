"""Call a build backend's hooks in the build environment, on this host or in an image.

For an image everything is laid out here and copied in. Knows nothing about the contents of images and their
compilers.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mpforge.errors import StepFailed, StepTimeout
from mpforge.kinds import build_tools, execution, step_inputs
from mpforge.kinds.build_hooks import Backend
from mpforge.kinds.task import Task
from mpforge.places.step import StepRun
from mpforge.plan.steps import AskRequirements, BuildWheel, Hook, MakeSdist, Settings
from mpforge.plan.texts import CommandLine
from mpforge.sources import git_clone
from mpforge.store.files import remove_tree
from mpforge.toolchains.ready import ReadyCompilers

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision

T = TypeVar("T")


@dataclass(frozen=True)
class HookCalls:
    """Calls hooks with the step's ``python``, its compilers if it has any, on the project in ``source``."""

    task: Task
    provision: "Provision"
    run: StepRun
    python: Path
    source: Path
    ready: ReadyCompilers | None

    @property
    def variables(self) -> dict[str, str]:
        """Variables that only build hooks get; the spec's compiler flags come last in each."""
        if self.ready is None:
            return {}
        given = build_tools.with_variables(self.ready.hooks, self.task.step, self.run.fill)
        return {name: given[name] for name in self.ready.hooks}

    @property
    def backend(self) -> Backend:
        """The backend, as hooks of this step call it."""
        return Backend(self.run, self.python, self.source, self.variables)

    def require(self, hook: Hook, settings: Settings) -> None:
        """Raise ``HostCannot`` if this host lacks one of the backend's further requirements."""
        word = self.task.step.command.python or ""
        asked = self.backend.requirements(hook, settings)
        self.provision.toolbox.installed(word).require(asked, what=self.task.step.title)

    def retried(self, before: tuple[CommandLine, ...], call: Callable[[], T]) -> T:
        """Call the backend for the sdist; if it fails, once more in a copy after running ``before`` there.

        An sdist is made from the project as it is, for all targets; but a build script may stop if a file is
        missing that the builds' own commands write.
        """
        try:
            return call()
        except StepTimeout:
            raise
        except StepFailed as error:
            if not before:
                raise
            remove_tree(self.task.directory.source)
            step_inputs.put_source(self.task, self.provision, vcs=True)
            try:
                for line in before:
                    self.run.command(line, cwd=self.source)
            except StepFailed:
                raise error from None
        self.provision.toolbox.reporter.warn_once(
            "the backend could not make the sdist until [build] before-build had run"
        )
        return call()


@contextlib.contextmanager
def opened(
    task: Task, command: AskRequirements | BuildWheel, provision: "Provision", *, builds: bool
) -> Iterator[HookCalls]:
    """Yield the hooks of a step with its source in place, after its first commands.

    Without ``builds`` they are only asked for requirements: slow preparations are left out.
    """
    place = provision.places.of(command.place)
    with place.hooks(task, command, provision, builds=builds) as hooks:
        for line in command.before:
            hooks.run.command(line, cwd=task.directory.source)
        yield hooks


def on_host(
    task: Task,
    command: AskRequirements | MakeSdist | BuildWheel,
    provision: "Provision",
    ready: ReadyCompilers | None,
    more: Mapping[str, str] | None = None,
) -> HookCalls:
    """Return the hooks of a step on this host: the build environment in place, the compilers on PATH.

    Its source is in place. ``more`` are variables for its programs.
    """
    directory = task.directory
    python = step_inputs.put_environment(task, provision, command.python, command.wanted)
    variables = dict(ready.variables) if ready else {}
    if ready and task.given.trees.get("environment") is None:
        folders = provision.toolbox.installed(command.python).folders()
        variables["MPFORGE_INSTALLED"] = ":".join(map(str, folders))
    path = (str(python.parent), *(ready.path if ready else ()))
    source = step_inputs.source_root(task, provision, vcs=command.hook == "sdist")
    placeholders = {
        "python": str(python),
        "project": str(source),
        "package": str(source),
        "dest_dir": str(directory.output),
    }
    if command.compilers is not None:
        placeholders |= build_tools.placeholders(command.compilers, directory, ready)
    if provision.inputs.source.form == "checkout":
        variables |= git_clone.VARIABLES
    variables |= more or {}
    run = execution.start(task, provision, variables, path, placeholders=placeholders)
    if ready is not None and "target_environment" in task.given.trees:
        run, ready = step_inputs.with_target_packages(task, provision, run, ready)
    return HookCalls(task, provision, run, python, source, ready)
