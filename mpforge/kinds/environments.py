"""Put a build's packages in place: its environment and the target's packages beside it."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from mpforge.kinds import target_packages
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.step import StepRun
from mpforge.store.protocols import BlobStore
from mpforge.toolchains.ready import ReadyCompilers


@dataclass(frozen=True)
class Environments:
    """Puts the packages of a session's builds into the directories of steps."""

    store: BlobStore
    toolbox: Toolbox

    def put(self, task: Task, word: str, wanted: tuple[str, ...]) -> Path:
        """Put a build environment in place; return its interpreter.

        Raises ``HostCannot`` if the host's own packages are to be used and a ``wanted`` one is missing.
        """
        from mpforge.obtain.pythons.virtual_environments import make_skeleton

        directory, tree = task.directory, task.given.trees.get("environment")
        if tree is None:
            installed = self.toolbox.installed(word)
            installed.require(wanted, what=task.step.title)
            installed.make_environment(directory.environment)
            return directory.environment / "bin" / "python"
        make_skeleton(self.toolbox.host_python(word).executable, directory.environment)
        self.store.restore(tree, directory.environment)
        return directory.environment / "bin" / "python"

    def with_target_packages(
        self, task: Task, run: StepRun, ready: ReadyCompilers
    ) -> tuple[StepRun, ReadyCompilers]:
        """Replace the host's headers and libraries by the target's for a build's hooks."""
        from mpforge.obtain.pythons.virtual_environments import site_packages

        site = site_packages(task.directory.environment)
        libraries = target_packages.graft(self.target_packages(task), site)
        run, ready = self.with_descriptions(task, run, ready)
        flags = [*(f"-L{folder}" for folder in libraries), ready.hooks.get("LDFLAGS", "")]
        hooks = {**ready.hooks, "LDFLAGS": " ".join(filter(None, flags))}
        if (openmp := target_packages.openmp(site)) is not None:
            hooks["MPFORGE_OPENMP"] = str(openmp)  # where the wrappers look for -fopenmp
        return run, dataclasses.replace(ready, hooks=hooks)

    def with_descriptions(
        self, task: Task, run: StepRun, ready: ReadyCompilers
    ) -> tuple[StepRun, ReadyCompilers]:
        """Let a build's pkg-config find the ``.pc`` files of the packages in its environment."""
        from mpforge.obtain.pythons.virtual_environments import site_packages

        found = target_packages.descriptions(site_packages(task.directory.environment))
        known = run.environment.get("PKG_CONFIG_PATH", "")
        words = [*map(str, found), *filter(None, [known])]
        more = {"PKG_CONFIG_PATH": os.pathsep.join(words)}
        return (
            dataclasses.replace(run, environment={**run.environment, **more}),
            dataclasses.replace(ready, hooks={**ready.hooks, **more}),
        )

    def target_packages(self, task: Task) -> Path:
        """Put the target's packages in place in a step's directory; return their path."""
        place = task.directory.root / "target-env"
        self.store.restore(task.given.trees["target_environment"], place)
        return place
