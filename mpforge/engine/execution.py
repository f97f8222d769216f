"""Executing one step's command in a directory of its own.

One function for each kind of command: inputs are put in place, programs run, what must come out is
in the output directory or an error is raised. Knows nothing of keys and hits.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, assert_never

from mpforge.engine.inputs import Inputs, pruned, selected
from mpforge.engine.pins import Pins
from mpforge.engine.toolbox import ReadyCompilers, Toolbox
from mpforge.errors import OutputMissing, WheelRejected
from mpforge.plan.model import (
    AskRequirements,
    BuildWheel,
    Compilers,
    InstallPackages,
    MakeSdist,
    RepairWheel,
    RunCommands,
    RunTests,
    Step,
)
from mpforge.plan.pins import EnvironmentPin
from mpforge.platforms import well_known
from mpforge.runners import hooks, repair, tests
from mpforge.runners.step import (
    StepDirectory,
    StepRun,
    base_environment,
    base_programs,
)
from mpforge.runners.verification import elf_reasons, policy_libraries
from mpforge.sources import archives, git, project
from mpforge.store.local import Store, files_below
from mpforge.store.trees import Directory
from mpforge.tools.zig import Language

_CPLUSPLUS = (".cc", ".cpp", ".cxx", ".c++", ".C", ".hpp", ".hh")
_CPLUSPLUS_CYTHON = (b"language = c++", b"language=c++", b"language: c++", b"libcpp")


@dataclass(frozen=True)
class Given:
    """What a step is executed with: its references' trees by field, and texts that it needs.

    ``packages`` is the pin of an ``InstallPackages``; ``build_log`` the log of the wheel to repair;
    ``shipped`` the files to test by their path; ``posargs`` those of a test.
    """

    trees: Mapping[str, Directory]
    packages: EnvironmentPin | None = None
    build_log: str = ""
    shipped: Mapping[str, Path] | None = None
    posargs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Executor:
    """Executes steps with the tools and the store of a session."""

    store: Store
    toolbox: Toolbox
    pins: Pins
    inputs: Inputs

    def execute(
        self, step: Step, given: Given, directory: StepDirectory, log: BinaryIO
    ) -> dict[str, str]:
        """Run a step; its output is in ``directory.output``, the facts that it found are returned.

        Raises the errors of the command's runner.
        """
        command = step.command
        match command:
            case InstallPackages():
                return self._install(command, given, directory)
            case AskRequirements():
                return self._ask(step, command, given, directory, log)
            case MakeSdist():
                return self._sdist(step, command, given, directory, log)
            case BuildWheel():
                return self._wheel(step, command, given, directory, log)
            case RepairWheel():
                self.store.restore(given.trees["wheel"], directory.source)
                run = self._run(step, directory, log, {}, ())
                made = repair.repair(run, command, given.build_log)
                return {"wheel": made.name}
            case RunCommands():
                return self._commands(step, command, given, directory, log)
            case RunTests():
                return self._tests(step, command, given, directory, log)
            case _:
                assert_never(command)

    # --- what steps share ----------------------------------------------------------------------

    def _run(
        self,
        step: Step,
        directory: StepDirectory,
        log: BinaryIO,
        variables: Mapping[str, str],
        path: tuple[str, ...],
        *,
        placeholders: Mapping[str, str] | None = None,
        programs: tuple[str, ...] = (),
    ) -> StepRun:
        directory.prepare()
        base = str(base_programs(self.toolbox.store, programs))
        environment = base_environment(directory, [*path, base])
        environment |= {"MPFORGE_STEP_DIR": str(directory.root), **variables}
        known = {"jobs": str(os.cpu_count() or 1), **(placeholders or {})}
        plain = StepRun(step.title, directory, log, environment, step.timeout, known)
        return dataclasses.replace(plain, environment=with_variables(environment, step, plain.fill))

    def _environment(self, tree: Directory, word: str, directory: StepDirectory) -> Path:
        """A build environment at its place; its interpreter."""
        from mpforge.tools.venvs import make_skeleton

        make_skeleton(self.toolbox.host_python(word).executable, directory.environment)
        self.store.restore(tree, directory.environment)
        return directory.environment / "bin" / "python"

    # --- one function for each kind ------------------------------------------------------------

    def _install(
        self, command: InstallPackages, given: Given, directory: StepDirectory
    ) -> dict[str, str]:
        from mpforge.tools import packages, venvs

        pin = given.packages
        if pin is None:
            raise AssertionError("packages to install were not resolved")
        python = self.toolbox.host_python(pin.request.python).executable
        directory.prepare()
        if pin.request.purpose == "test":
            packages.install_target(
                pin, dest=directory.output, index=self.pins.index, host_python=python
            )
        else:
            packages.install_venv(
                pin, python=python, dest=directory.environment, index=self.pins.index
            )
            directory.output.rmdir()
            venvs.export_tree(directory.environment, directory.output)
        return {}

    def _ask(
        self,
        step: Step,
        command: AskRequirements,
        given: Given,
        directory: StepDirectory,
        log: BinaryIO,
    ) -> dict[str, str]:
        self._source(command.hook == "sdist", given.trees["source"], directory)
        ready = self._compilers(command.compilers, directory)
        run = self._hook_run(step, command.python, ready, given, directory, log)
        asked = hooks.requirements(
            run,
            command.hook,
            python=directory.environment / "bin" / "python",
            source=self._source_root(command.hook == "sdist", directory),
            settings=command.config_settings,
            extra=_hook_variables(ready, step, run),
        )
        return {"requirements": json.dumps(asked)}

    def _sdist(
        self, step: Step, command: MakeSdist, given: Given, directory: StepDirectory, log: BinaryIO
    ) -> dict[str, str]:
        self._source(True, given.trees["source"], directory)
        run = self._hook_run(step, command.python, None, given, directory, log)
        archive = hooks.build(
            run,
            "sdist",
            python=directory.environment / "bin" / "python",
            source=self._source_root(True, directory),
            output=directory.root,
            settings=command.config_settings,
            extra={},
        )
        unpacked = directory.root / "unpacked"
        archives.unpack(archive, unpacked)
        kept = directory.output / "tree"
        archives.sole_directory(unpacked).rename(kept)
        for path in set(files_below(kept)) - set(
            project.without(files_below(kept), command.exclude)
        ):
            (kept / path).unlink()
        (directory.output / "archive").mkdir()
        archive.rename(directory.output / "archive" / archive.name)
        return {"sdist": archive.name}

    def _wheel(
        self, step: Step, command: BuildWheel, given: Given, directory: StepDirectory, log: BinaryIO
    ) -> dict[str, str]:
        source = given.trees["source"]
        self._source(False, source, directory)
        ready = self.toolbox.compilers(
            command.compilers, languages(source, self.store), directory.root
        )
        run = self._hook_run(step, command.python, ready, given, directory, log)
        for line in command.before:
            run.command(line, cwd=directory.source)
        python = directory.environment / "bin" / "python"
        if command.frontend == "uv":
            self._by_uv(run, command, python, _hook_variables(ready, step, run))
        else:
            hooks.build(
                run,
                "wheel",
                python=python,
                source=directory.source,
                output=directory.output,
                settings=command.config_settings,
                extra=_hook_variables(ready, step, run),
            )
        wheel = repair.sole_wheel(directory.output)
        return {"wheel": wheel.name}

    def _by_uv(
        self, run: StepRun, command: BuildWheel, python: Path, extra: Mapping[str, str]
    ) -> None:
        import uv

        words = [f"{name}={value}" for name, values in command.config_settings for value in values]
        settings = [word for pair in words for word in ("--config-setting", pair)]
        argv = [uv.find_uv_bin(), "build", "--wheel", "--no-build-isolation", "--offline"]
        argv += ["--no-config", "--no-cache", "--python", str(python), *settings]
        directory = run.directory
        run.call([*argv, "-o", str(directory.output), str(directory.source)], extra=extra)
        (directory.output / ".gitignore").unlink(missing_ok=True)

    def _commands(
        self,
        step: Step,
        command: RunCommands,
        given: Given,
        directory: StepDirectory,
        log: BinaryIO,
    ) -> dict[str, str]:
        source = pruned(given.trees["source"], command.exclude)
        self.store.restore(source, directory.source)
        ready = self.toolbox.compilers(
            command.compilers, languages(source, self.store), directory.root
        )
        platform = well_known()[command.target]
        run = self._run(
            step,
            directory,
            log,
            ready.variables,
            ready.path,
            placeholders=self._build_placeholders(command.compilers, directory),
        )
        for line in command.commands:
            run.command(line, cwd=directory.source)
        _collect(command.outputs, directory)
        allowed = policy_libraries(command.policy, platform)
        reasons = list(elf_reasons(directory.output, platform, command.policy, allowed))
        if reasons:
            raise WheelRejected(
                f"what was built for {command.target} can't run where {command.policy} promises",
                why="\n".join(reasons),
                hint="raise [build] policy, or see what the build linked",
            )
        return {}

    def _tests(
        self, step: Step, command: RunTests, given: Given, directory: StepDirectory, log: BinaryIO
    ) -> dict[str, str]:
        ready = self.toolbox.machine(command.machine, command.python)
        shipped = dict(given.shipped or {})
        self.store.restore(selected(self.inputs.stored(), command.sources), directory.source)
        scene = tests.Scene(
            directory=directory,
            machine=command.machine,
            emulator=ready.emulator,
            python=ready.python,
            sysroot=ready.sysroot,
            shipped=shipped,
            compile_with=None
            if command.python is None
            else self.toolbox.host_python(command.python).executable,
        )
        if command.environment is not None:
            site = tests.site_packages(scene)
            self.store.restore(given.trees["environment"], site)
        placeholders, path = tests.prepare(scene, given.posargs)
        run = self._run(step, directory, log, {}, path, placeholders=placeholders)
        return tests.run(run, scene, command, given.posargs)

    # --- parts of the above --------------------------------------------------------------------

    def _source(self, vcs: bool, tree: Directory, directory: StepDirectory) -> None:
        """Put a step's copy of the source in place; with git's view of it for the sdist."""
        if not vcs or self.inputs.source.form != "checkout":
            self.store.restore(tree, directory.source)
            return
        paths = [path for path, _ in tree.walk()]
        place = git.clone(self.inputs.source.root, directory.source, paths)
        self.store.restore(tree, place)
        git.refresh(directory.source)

    def _source_root(self, vcs: bool, directory: StepDirectory) -> Path:
        source = self.inputs.source
        if not vcs or source.form != "checkout":
            return directory.source
        top = git.top_level(source.root)
        return directory.source / source.root.relative_to((top or source.root).resolve())

    def _compilers(
        self, compilers: Compilers | None, directory: StepDirectory
    ) -> ReadyCompilers | None:
        """Compilers for a hook that is only asked: nothing is made for it."""
        if compilers is None:
            return None
        return self.toolbox.compilers(compilers, (), directory.root)

    def _hook_run(
        self,
        step: Step,
        word: str,
        ready: ReadyCompilers | None,
        given: Given,
        directory: StepDirectory,
        log: BinaryIO,
    ) -> StepRun:
        python = self._environment(given.trees["environment"], word, directory)
        variables = dict(ready.variables) if ready else {}
        path = (str(python.parent), *(ready.path if ready else ()))
        placeholders = {
            "python": str(python),
            "project": str(directory.source),
            "package": str(directory.source),
            "dest_dir": str(directory.output),
        }
        command = step.command
        if isinstance(command, BuildWheel):
            placeholders |= self._build_placeholders(command.compilers, directory)
        programs = ("git",) if isinstance(command, MakeSdist | AskRequirements) else ()
        has_git = self.inputs.source.form == "checkout"
        return self._run(
            step,
            directory,
            log,
            variables,
            path,
            placeholders=placeholders,
            programs=programs if has_git else (),
        )

    def _build_placeholders(self, compilers: Compilers, directory: StepDirectory) -> dict[str, str]:
        platform = well_known()[compilers.target]
        return {
            "project": str(directory.source),
            "package": str(directory.source),
            "dest_dir": str(directory.output),
            "build_dir": str(directory.root / "build"),
            "triple": platform.gnu_triple,
            "arch": platform.machine,
            "policy": compilers.policy,
            "target": compilers.target,
        }


def _hook_variables(ready: ReadyCompilers | None, step: Step, run: StepRun) -> dict[str, str]:
    """What build hooks see beside the step's environment; the spec's compiler flags come last."""
    if ready is None:
        return {}
    given = with_variables(ready.hooks, step, run.fill)
    return {name: given[name] for name in ready.hooks}


def with_variables(
    environment: Mapping[str, str], step: Step, fill: Callable[..., str]
) -> dict[str, str]:
    """A step's environment with what the spec gives; compiler flags are appended, PATH prepended."""
    result = dict(environment)
    for name, written in step.variables.values:
        value = fill(written)
        if name in ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS") and result.get(name):
            value = f"{result[name]} {value}"
        result[name] = value
    for name in (*step.variables.passed, *step.variables.secrets):
        if name in os.environ:
            result[name] = os.environ[name]
    return result


def languages(source: Directory, store: Store) -> tuple[Language, ...]:
    """The languages that a source needs a compiler for: C, and C++ where a file tells of it."""
    for path, node in source.walk():
        if path.endswith(_CPLUSPLUS):
            return ("c", "c++")
        if path.endswith((".pyx", ".pxd")) and not isinstance(node, str):
            text = store.read(node.digest)
            if any(mark in text for mark in _CPLUSPLUS_CYTHON):
                return ("c", "c++")
    return ("c",)


def _collect(outputs: tuple[str, ...], directory: StepDirectory) -> None:
    """Copy the declared outputs. Raises ``OutputMissing`` for one that nothing matches."""
    made = list(files_below(directory.source))
    for glob in outputs:
        found = project.select(made, [glob])
        if not found:
            raise OutputMissing(
                f"the build ended well, but there is no {glob!r}",
                why="declared in [build] outputs",
                hint="paths are relative to the source directory",
            )
        for path in found:
            place = directory.output / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(directory.source / path, place, follow_symlinks=False)
