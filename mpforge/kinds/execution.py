"""Executing one step's command in a directory of its own.

One function for each kind of command: inputs are put in place, programs run, what must come out is
in the output directory or an error is raised. Knows nothing of keys and hits.
"""

import dataclasses
import functools
import json
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from mpforge.artifacts.declared_outputs import collect
from mpforge.artifacts.proof import Promise, prove_files
from mpforge.diagnostics import host_leaks, missing_files
from mpforge.errors import NoHostPython, OutputMissing, StepFailed
from mpforge.kinds import build_tools, target_packages, wheel_repair
from mpforge.kinds.environments import Environments
from mpforge.kinds.host_builds import HostBuilds
from mpforge.kinds.image_builds import ImageBuilds
from mpforge.kinds.inputs import Inputs, pruned
from mpforge.kinds.observed_reads import HOST
from mpforge.kinds.source_copy import SourceCopy
from mpforge.kinds.target_machines import Machines
from mpforge.kinds.task import TOLD, Task, since
from mpforge.kinds.test_places import TestRuns
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.obtain.rust import crates
from mpforge.places.containers import image_libraries
from mpforge.places.host import HostPlace
from mpforge.places.isolation import FACT, isolation
from mpforge.places.step import (
    StepRun,
    base_environment,
)
from mpforge.plan.model import (
    AskRequirements,
    BuildWheel,
    FetchCrates,
    InstallPackages,
    MakeSdist,
    RepairWheel,
    RunCommands,
    RunTests,
    Step,
    Work,
)
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.sources import cargo
from mpforge.store.local import Store
from mpforge.toolchains import host_reads
from mpforge.toolchains.compiler_wrappers import WrapperNote, read_notes
from mpforge.toolchains.ready import COMPILER_NOTES

if TYPE_CHECKING:
    from mpforge.kinds.image_toolchain import Containers


_READS_HOST = (AskRequirements, MakeSdist, BuildWheel, RepairWheel, RunCommands)


@dataclass(frozen=True)
class Executor:
    """Executes steps with the tools and the store of a session."""

    store: Store
    toolbox: Toolbox
    machines: Machines
    pins: Pins
    inputs: Inputs
    containers: "Callable[[], Containers]"

    def execute(self, task: Task) -> dict[str, str]:
        """Run a step; its output is in ``directory.output``, the facts that it found are returned.

        Raises the errors of the command's runner.
        """
        apart, begin = self._apart(task.step), task.log.tell()
        self._observe_host(task)
        try:
            facts = self._executed(task)
            task.observed.settle()
        except StepFailed as error:
            if (build := _as_built(task)) is not None:
                error = host_leaks.explained(error, build, _notes(task))
            raise self._by_files(error, task, begin) from None
        lines = [*json.loads(facts.get(TOLD, "[]")), *_told(task, begin)]
        return facts | apart | ({TOLD: json.dumps(lines)} if lines else {})

    def _by_files(self, error: StepFailed, task: Task, begin: int) -> StepFailed:
        """A build's error, in terms of the project's files that its source lacks or that do not serve."""
        source, command = task.given.trees.get("source"), task.step.command
        if source is None or not isinstance(command, AskRequirements | BuildWheel):
            return error
        lines = since(Path(task.log.name), begin).decode("utf-8", "replace").splitlines()
        built = [path for path, _ in source.walk()]
        project = (
            [path for path, _ in self.inputs.files.walk()]
            if not self.inputs.source.is_sdist
            else []
        )
        root = task.directory.root
        return missing_files.explained(error, lines, project=project, built=built, root=root)

    def _executed(self, task: Task) -> dict[str, str]:  # noqa: PLR0911 (one for each kind)
        command = task.step.command
        match command:
            case InstallPackages():
                return self._install(task)
            case FetchCrates():
                return self._crates(task, command)
            case AskRequirements():
                return self._ask(task, command)
            case MakeSdist():
                return self._host_builds.sdist(task, command)
            case BuildWheel():
                return self._wheel(task, command)
            case RepairWheel():
                return self._repair(task, command)
            case RunCommands():
                return self._commands(task, command)
            case RunTests():
                return self._tests(task, command)
            case _:
                assert_never(command)

    @property
    def _sources(self) -> SourceCopy:
        return SourceCopy(self.store, self.inputs)

    @property
    def _environments(self) -> Environments:
        return Environments(self.store, self.toolbox)

    @property
    def _image_builds(self) -> ImageBuilds:
        return ImageBuilds(self.store, self.containers(), self._sources, self._run)

    @property
    def _host_builds(self) -> HostBuilds:
        return HostBuilds(
            self.toolbox,
            self.inputs,
            self._sources,
            self._environments,
            self._buildtools,
            self._run,
        )

    @property
    def _buildtools(self) -> build_tools.BuildTools:
        return build_tools.BuildTools(self.store, self.toolbox, self.machines)

    def _observe_host(self, task: Task) -> None:
        """What compilers and auditwheel read of the host is not in a key: it is known when they have run."""
        command, since = task.step.command, time.time_ns()
        if task.step.inside is not None or not isinstance(command, _READS_HOST):
            return

        def teller() -> dict[str, str]:
            found = getattr(command, "compilers", None)
            compilers = found if isinstance(found, Compilers) else None
            if compilers is not None and not self.toolbox.toolchain(compilers).notes_reads():
                return {f"{HOST}{host_reads.UNSEEN}": host_reads.UNSURE}
            reads = self.toolbox.read_of_host(task.directory.root, compilers, since)
            return {f"{HOST}{path}": value for path, value in reads.items()}

        task.observed.add(teller)

    # --- what steps share ----------------------------------------------------------------------

    def _apart(self, step: Step) -> dict[str, str]:
        """How far the programs of a step are kept apart from this host.

        ``network`` is none, declared, or open: not cut off. ``FACT`` is there if it is less than the whole.
        """
        if step.command.work is Work.FETCH:
            return {}
        if step.inside is not None:
            return {"network": "declared" if step.network else "none"}
        found = isolation()
        network = "none" if found.cuts_network else "open"
        facts = {"network": "declared" if step.network else network}
        if found.extent == "whole":
            return facts
        remedy = f" ({found.remedy})" if found.remedy else ""
        lacks = (
            "can't cut steps off from the network"
            if found.extent == "none"
            else "cuts steps off from its network, but not from its processes"
        )
        self.toolbox.warn_once(
            f"this host {lacks}: {found.why}{remedy}; what they use there is not in the key"
        )
        return facts | {FACT: found.extent}

    def _run(
        self,
        task: Task,
        variables: Mapping[str, str],
        path: tuple[str, ...],
        *,
        placeholders: Mapping[str, str] | None = None,
    ) -> StepRun:
        """What runs a step's programs, with ``path``, the declared tools and the base set on PATH."""
        step, directory = task.step, task.directory.prepare()
        git = self.inputs.source.form == "checkout"
        folders = () if step.inside else self.toolbox.programs.folders(step, git=git)
        self._tell_unset(step)
        environment = base_environment(directory, [*path, *folders])
        environment |= {"MPFORGE_STEP_DIR": str(directory.root), **variables}
        known = {"jobs": str(os.cpu_count() or 1), **(placeholders or {})}
        plain = StepRun(
            step.title,
            directory,
            task.log,
            environment,
            step.timeout,
            known,
            HostPlace(isolation(), step.network),
            step.table,
            visitor=task.visitor,
            secrets=step.variables.secrets,
        )
        return dataclasses.replace(
            plain, environment=build_tools.with_variables(environment, step, plain.fill)
        )

    def _tell_unset(self, step: Step) -> None:
        """Warn of secrets that this process does not have: a program may do without, or fail far away."""
        for name in step.variables.secrets:
            if name not in os.environ:
                self.toolbox.warn_once(
                    f"the secret {name} is not set here: what wants it goes without"
                )

    # --- one function for each kind ------------------------------------------------------------

    def _install(self, task: Task) -> dict[str, str]:
        from mpforge.obtain.packages import installation
        from mpforge.obtain.pythons import virtual_environments

        pin = task.given.packages
        if pin is None:
            raise AssertionError("packages to install were not resolved")
        wheels: installation.Wheels = {}
        if any(package.is_built or package.path for package in pin.packages):
            from mpforge.kinds.source_builds import SourceBuilds

            wheels = SourceBuilds(task, self.toolbox, self.pins).wheels(pin)
        index = self.pins.index
        if pin.request.purpose == "image":
            compiling = self._host_python(pin.request.python)
            installation.install_target(
                pin, dest=task.directory.output, index=index, host_python=compiling, wheels=wheels
            )
            return {}
        python = self.toolbox.host_python(pin.request.python).executable
        task.directory.prepare()
        if pin.request.purpose == "target":
            installation.install_target(
                pin, dest=task.directory.output, index=index, host_python=python, wheels=wheels
            )
            target_packages.leave_for_compilers(task.directory.output)
        elif pin.request.purpose == "test":
            installation.install_prefix(
                pin, dest=task.directory.output, index=index, host_python=python, wheels=wheels
            )
        else:
            installation.install_venv(
                pin, python=python, dest=task.directory.environment, index=index, wheels=wheels
            )
            task.directory.output.rmdir()
            virtual_environments.export_tree(task.directory.environment, task.directory.output)
        return {}

    def _host_python(self, word: str) -> Path | None:
        """This host's interpreter of a word, if there is one."""
        try:
            return self.toolbox.host_python(word).executable
        except NoHostPython:
            return None

    def _crates(self, task: Task, command: FetchCrates) -> dict[str, str]:
        """Fetch what Cargo.lock pins; nothing where the project brings it or needs none."""
        tree, directory = task.given.trees["source"], task.directory.prepare()
        found = cargo.crates(tree, functools.partial(self.store.text, tree))
        if found.vendored or not found.wanted:
            if found.unpinned is not None and not found.vendored:
                raise cargo.no_lock(found.unpinned)
            return {"crates": "vendored" if found.vendored else "none"}
        self.store.put_bytes(b"")  # what stands for source files: cargo looks for their names
        self.store.restore(tree, directory.source)
        with self.toolbox.working("fetching the crates of Cargo.lock"):
            crates.fetch(
                self.toolbox.rust.cargo(command.rust, directory.root),
                directory.source,
                found.manifests,
                output=directory.output,
                directory=directory.root,
            )
        return {"crates": "fetched"}

    def _ask(self, task: Task, command: AskRequirements) -> dict[str, str]:
        if command.compilers is not None and command.compilers.inside is not None:
            return self._image_builds.ask(task, command, command.compilers)
        return self._host_builds.ask(task, command)

    def _wheel(self, task: Task, command: BuildWheel) -> dict[str, str]:
        if command.compilers is not None and command.compilers.inside is not None:
            return self._image_builds.wheel(task, command, command.compilers)
        return self._host_builds.wheel(task, command)

    def _repair(self, task: Task, command: RepairWheel) -> dict[str, str]:
        self.store.restore(task.given.trees["wheel"], task.directory.source)
        found = [
            task.directory.source / image_libraries.FOLDER
        ]  # of the image that it was built in
        if command.target_environment is not None:
            found += target_packages.library_directories(self._environments.target_packages(task))
        there = [str(folder) for folder in found if folder.is_dir()]
        variables = {"LD_LIBRARY_PATH": os.pathsep.join(there)} if there else {}
        run = self._run(task, variables, ())
        told: list[str] = []
        made = wheel_repair.repair(run, command, task.given.build_log, told.append)
        return {"wheel": made.name} | ({TOLD: json.dumps(told)} if told else {})

    def _commands(self, task: Task, command: RunCommands) -> dict[str, str]:
        source = pruned(task.given.trees["source"], command.exclude)
        self._sources.restore(source, task.directory.source)
        ready = self._buildtools.ready(task, command.compilers, source)
        platform = well_known()[command.target]
        installed = task.directory.root / "installed"
        placeholders = build_tools.placeholders(command.compilers, task.directory, ready)
        if command.installs:
            placeholders["dest_dir"] = str(installed)
        run = self._run(task, ready.variables, ready.path, placeholders=placeholders)
        for line in command.commands:
            run.command(line, cwd=task.directory.source)
        run.let_in()
        made = installed if command.installs else task.directory.source
        _collect(command.outputs, made, task.directory.output)
        root, provided = task.directory.root, command.provided
        promise = Promise(platform, command.policy, provided=provided, passing=root)
        prove_files(task.directory.output, promise)
        return {}

    def _tests(self, task: Task, command: RunTests) -> dict[str, str]:
        there = TestRuns(self.store, self.toolbox, self.machines, self.containers, self._run)
        return there.run(task, command)

    # --- parts of the above --------------------------------------------------------------------


def _as_built(task: Task) -> host_leaks.Build | None:
    """A step as a build whose compilers noted what they refused; None: it has none."""
    compilers = getattr(task.step.command, "compilers", None)
    if not isinstance(compilers, Compilers):
        return None
    title, directory = task.step.title, task.directory
    bits = 8 * struct.calcsize("P") if compilers.cross else None
    return host_leaks.Build(title, compilers.target, directory.root, directory.source, bits)


def _notes(task: Task) -> tuple[WrapperNote, ...]:
    return read_notes(task.directory.root / COMPILER_NOTES)


def _told(task: Task, begin: int) -> Sequence[str]:
    """What a user should know of a build that ended well. Raises ``HostLeak`` where it lacks something."""
    build = _as_built(task)
    if build is None or isinstance(task.step.command, AskRequirements):
        return ()
    notes = _notes(task)
    if (leak := host_leaks.missed(build, notes)) is not None:
        raise leak
    return host_leaks.told(
        build, notes, since(Path(task.log.name), begin).decode("utf-8", "replace")
    )


def _collect(outputs: tuple[str, ...], made: Path, directory: Path) -> None:
    """Copy the declared outputs. Raises ``OutputMissing`` for one that nothing matches."""
    for glob in collect(outputs, made, directory):
        raise OutputMissing(
            f"the build succeeded, but no file matches {glob!r}",
            why="declared in [build] outputs",
            hint="paths are relative to the source directory, or to where the build installs",
        )
