"""Asking and building by a backend's hooks in the image that a step's programs run in.

Everything is laid out on this host, as for a build here, and copied in; the wheel comes out, with the
libraries of the image that it was linked with. Knows nothing of what an image and its compilers are.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mpforge.artifacts.verification import policy_libraries
from mpforge.diagnostics.step_failure import INTO_IMAGE
from mpforge.kinds import build_hooks, build_tools, image_toolchain, wheel_repair
from mpforge.kinds.image_toolchain import Containers
from mpforge.kinds.source_copy import SourceCopy
from mpforge.kinds.task import Task
from mpforge.obtain.host_programs import ASKING_SECONDS, version_in
from mpforge.obtain.step_programs import absent, require_version
from mpforge.places import interpreter_launcher
from mpforge.places.containers import image_libraries
from mpforge.places.containers.container_step import StepContainer
from mpforge.places.step import StepRun
from mpforge.plan.model import AskRequirements, BuildWheel, HostTool
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.store.local import Store
from mpforge.toolchains.ready import ReadyCompilers


@dataclass(frozen=True)
class ImageBuilds:
    """Builds in images; ``start`` gives what runs a step's programs, as ``Executor`` does."""

    store: Store
    containers: Containers
    sources: SourceCopy
    start: Callable[..., StepRun]

    def ask(self, task: Task, command: AskRequirements, compilers: Compilers) -> dict[str, str]:
        """What else the backend wants, asked by the image's own Python."""
        with self._inside(task, command, compilers) as (_, run, ready):
            for line in command.before:
                run.command(line, cwd=task.directory.source)
            asked = build_hooks.requirements(
                run,
                command.hook,
                python=task.directory.environment / "bin" / "python",
                source=task.directory.source,
                settings=command.config_settings,
                extra=build_tools.hook_variables(ready, task.step, run),
            )
        return {"requirements": json.dumps(asked)}

    def wheel(self, task: Task, command: BuildWheel, compilers: Compilers) -> dict[str, str]:
        """Build the wheel by the image's own Python; it is in the step's output then."""
        directory = task.directory
        with self._inside(task, command, compilers) as (place, run, ready):
            for line in command.before:
                run.command(line, cwd=directory.source)
            build_hooks.build(
                run,
                "wheel",
                python=directory.environment / "bin" / "python",
                source=directory.source,
                output=directory.output,
                settings=build_tools.config_settings(command, ready),
                extra=build_tools.hook_variables(ready, task.step, run),
            )
            place.get(directory.output)
            platform = well_known()[compilers.target]
            everywhere = policy_libraries(compilers.policy, platform)
            image_libraries.collect(place, directory.output, platform, everywhere)
        return {"wheel": wheel_repair.sole_wheel(directory.output).name}

    @contextlib.contextmanager
    def _inside(
        self, task: Task, command: AskRequirements | BuildWheel, compilers: Compilers
    ) -> Iterator[tuple[StepContainer, StepRun, ReadyCompilers]]:
        """The container of a step's image, what runs its hooks there, and the compilers."""
        if compilers.inside is None:
            raise AssertionError("its hooks run on the host")
        directory = task.directory
        self.sources.put(task, vcs=False)
        asks = isinstance(command, AskRequirements) and not command.before
        wanted = () if asks else build_tools.languages(task.given.trees["source"], self.store)
        ready = self.containers.compilers(task, compilers, wanted)
        site = interpreter_launcher.site_packages(directory.environment, command.python)
        site.mkdir(parents=True)
        self.store.restore(task.given.trees["environment"], site)
        with self.containers.opened(task, compilers.inside, compilers, ready) as place:
            interpreter = self.containers.interpreter(place, command.python)
            python = image_toolchain.lay_out(directory, command.python, interpreter)
            known = build_tools.placeholders(compilers, directory, ready) | {"python": str(python)}
            path = (str(python.parent), *ready.path)
            run = self.start(task, ready.variables, path, placeholders=known)
            place.put()
            for tool in task.step.tools.host:
                _require(tool, place, run)
            yield place, dataclasses.replace(run, place=place), ready


def _require(tool: HostTool, place: StepContainer, run: StepRun) -> None:
    """Raise ``ToolUnavailable`` for a declared tool that an image lacks, or has in another version."""
    name = f"the image {place.image}"
    found = place.which(tool.name, run.environment.get("PATH", ""))
    if found is None:
        raise absent(tool, where=f"in {name}", hint=INTO_IMAGE)
    if tool.specifier:
        said = place.asked([found, "--version"], run.environment, timeout=ASKING_SECONDS)
        require_version(tool, version_in(said), found, where=name)
