"""Asking and building by a backend's hooks in the image that a step's programs run in.

Everything is laid out on this host, as for a build here, and copied in; the wheel comes out, with the
libraries of the image that it was linked with. Knows nothing of what an image and its compilers are.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mpforge.engine import buildtools, contained
from mpforge.engine.contained import Containers
from mpforge.engine.programs import absent, require_version
from mpforge.engine.sourcecopy import SourceCopy
from mpforge.engine.task import Task
from mpforge.engine.toolbox import ReadyCompilers
from mpforge.plan.model import AskRequirements, BuildWheel, Compilers, HostTool
from mpforge.platforms import well_known
from mpforge.runners import hooks, launcher, repair
from mpforge.runners.containers import libraries
from mpforge.runners.containers.step import StepContainer
from mpforge.runners.diagnosis import INTO_IMAGE
from mpforge.runners.step import StepRun
from mpforge.runners.verification import policy_libraries
from mpforge.store.local import Store
from mpforge.tools.hostprograms import ASKING_SECONDS, version_in


@dataclass(frozen=True)
class ImageBuilds:
    """Builds in images; ``start`` gives what runs a step's programs, as ``Executor`` does."""

    store: Store
    containers: Containers
    sources: SourceCopy
    start: Callable[..., StepRun]

    def ask(self, task: Task, command: AskRequirements, compilers: Compilers) -> dict[str, str]:
        """What else the backend wants, asked by the image's own Python."""
        with self._inside(task, command, compilers) as (run, ready):
            for line in command.before:
                run.command(line, cwd=task.directory.source)
            asked = hooks.requirements(
                run,
                command.hook,
                python=task.directory.environment / "bin" / "python",
                source=task.directory.source,
                settings=command.config_settings,
                extra=buildtools.hook_variables(ready, task.step, run),
            )
        return {"requirements": json.dumps(asked)}

    def wheel(self, task: Task, command: BuildWheel, compilers: Compilers) -> dict[str, str]:
        """Build the wheel by the image's own Python; it is in the step's output then."""
        directory = task.directory
        with self._inside(task, command, compilers) as (run, ready):
            for line in command.before:
                run.command(line, cwd=directory.source)
            hooks.build(
                run,
                "wheel",
                python=directory.environment / "bin" / "python",
                source=directory.source,
                output=directory.output,
                settings=buildtools.config_settings(command, ready),
                extra=buildtools.hook_variables(ready, task.step, run),
            )
            if run.inside is not None:
                run.inside.fetch(directory.output)
                platform = well_known()[compilers.target]
                everywhere = policy_libraries(compilers.policy, platform)
                libraries.collect(run.inside, directory.output, platform, everywhere)
        return {"wheel": repair.sole_wheel(directory.output).name}

    @contextlib.contextmanager
    def _inside(
        self, task: Task, command: AskRequirements | BuildWheel, compilers: Compilers
    ) -> Iterator[tuple[StepRun, ReadyCompilers]]:
        """What runs a step's hooks in its image, and the compilers there."""
        if compilers.inside is None:
            raise AssertionError("its hooks run on the host")
        directory = task.directory
        self.sources.put(task, vcs=False)
        asks = isinstance(command, AskRequirements) and not command.before
        wanted = () if asks else buildtools.languages(task.given.trees["source"], self.store)
        ready = self.containers.compilers(task, compilers, wanted)
        site = launcher.site_packages(directory.environment, command.python)
        site.mkdir(parents=True)
        self.store.restore(task.given.trees["environment"], site)
        with self.containers.opened(task, compilers.inside, compilers, ready) as place:
            interpreter = self.containers.interpreter(place, command.python)
            python = contained.lay_out(directory, command.python, interpreter)
            known = buildtools.placeholders(compilers, directory, ready) | {"python": str(python)}
            path = (str(python.parent), *ready.path)
            run = self.start(task, ready.variables, path, placeholders=known)
            place.send()
            for tool in task.step.tools.host:
                _require(tool, place, run)
            yield dataclasses.replace(run, inside=place), ready


def _require(tool: HostTool, place: StepContainer, run: StepRun) -> None:
    """Raise ``ToolUnavailable`` for a declared tool that an image lacks, or has in another version."""
    name = f"the image {place.container.called}"
    found = place.which(tool.name, run.environment.get("PATH", ""))
    if found is None:
        raise absent(tool, where=f"in {name}", hint=INTO_IMAGE)
    if tool.specifier:
        said = place.asked([found, "--version"], run.environment, timeout=ASKING_SECONDS)
        require_version(tool, version_in(said), found, where=name)
