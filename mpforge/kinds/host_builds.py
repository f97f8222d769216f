"""Asking and building by a backend's hooks on this host, in the build environment at its place.

Builds in images are ``imagebuilds``'s.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mpforge.artifacts import archives, canonical_archives
from mpforge.diagnostics import scm_version
from mpforge.errors import StepFailed, StepTimeout
from mpforge.formats.globs import without
from mpforge.kinds import build_hooks, build_tools, wheel_repair
from mpforge.kinds.environments import Environments
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.source_copy import SourceCopy
from mpforge.kinds.task import TOLD, Task, since
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.step import StepRun
from mpforge.plan.model import AskRequirements, BuildWheel, MakeSdist
from mpforge.plan.texts import CommandLine
from mpforge.plan.toolchains import Compilers
from mpforge.sources import git_clone
from mpforge.store.files import files_below, remove_tree
from mpforge.toolchains.ready import ReadyCompilers

T = TypeVar("T")

_DISTRIBUTION = re.compile(r"/site-packages/([^/]+)-[^/-]+\.dist-info/METADATA$")


@dataclass(frozen=True)
class HostBuilds:
    """Builds on this host; ``start`` gives what runs a step's programs, as ``Executor`` does."""

    toolbox: Toolbox
    inputs: Inputs
    sources: SourceCopy
    environments: Environments
    tools: build_tools.BuildTools
    start: Callable[..., StepRun]

    def ask(self, task: Task, command: AskRequirements) -> dict[str, str]:
        """What else the backend wants."""
        self.sources.put(task, vcs=command.hook == "sdist")
        ready = self._compilers_for_asking(task, command)
        run = self._hook_run(task, command.python, ready)
        if ready is not None and "target_environment" in task.given.trees:
            run, ready = self.environments.with_target_packages(task, run, ready)
        for line in command.before:
            run.command(line, cwd=task.directory.source)

        def asked() -> tuple[str, ...]:
            return build_hooks.requirements(
                run,
                command.hook,
                python=task.directory.environment / "bin" / "python",
                source=self.sources.root(task.directory, vcs=command.hook == "sdist"),
                settings=command.config_settings,
                extra=build_tools.hook_variables(ready, task.step, run),
            )

        return {"requirements": json.dumps(self._retried(task, command.retry, run, asked))}

    def sdist(self, task: Task, command: MakeSdist) -> dict[str, str]:
        """Make the sdist; it is in the step's output then, packed and unpacked."""
        begin = task.log.tell()
        self.sources.put(task, vcs=True)
        ready = None
        if command.rust is not None:
            setup = self.toolbox.rust.plain(command.rust, task.directory.root)
            ready = ReadyCompilers({}, {}).joined(setup)
        elif command.compilers is not None and command.compilers.configurer is None:
            ready = self.toolbox.compilers(command.compilers, (), task.directory.root)
        elif command.compilers is not None:
            self._tell_left_out()
            ready = self.tools.ready(task, command.compilers, task.given.trees["source"])
        run = self._hook_run(task, command.python, ready)
        if command.compilers is not None and ready is not None:
            # They are this host's, as the packages are.
            run, ready = self.environments.with_descriptions(task, run, ready)

        def made() -> Path:
            if command.environment is None:
                self._ask_here(task, "sdist", command, run, ready)
            return build_hooks.build(
                run,
                "sdist",
                python=task.directory.environment / "bin" / "python",
                source=self.sources.root(task.directory, vcs=True),
                output=task.directory.root,
                settings=command.config_settings,
                extra=build_tools.hook_variables(ready, task.step, run),
            )

        archive = self._retried(task, command.retry, run, made)
        unpacked = task.directory.root / "unpacked"
        archives.unpack(archive, unpacked)
        if archive.name.endswith(".tar.gz"):
            canonical_archives.rewrite_tar_gz(
                archive, mtime=canonical_archives.epoch_of(run.environment)
            )
        kept = task.directory.output / "tree"
        archives.sole_directory(unpacked).rename(kept)
        for path in set(files_below(kept)) - set(without(files_below(kept), command.exclude)):
            (kept / path).unlink()
        (task.directory.output / "archive").mkdir()
        archive.rename(task.directory.output / "archive" / archive.name)
        told = self._doubts_of_version(task, archive.name, begin)
        return {"sdist": archive.name} | ({TOLD: json.dumps(told)} if told else {})

    def _doubts_of_version(self, task: Task, sdist: str, begin: int) -> list[str]:
        """What a user should know of a version that was taken from git."""
        from packaging.utils import canonicalize_name

        state, environment = self.inputs.vcs, task.given.trees.get("environment")
        installed = () if environment is None else (path for path, _ in environment.walk())
        names: set[str] = {
            canonicalize_name(found[1]) for found in map(_DISTRIBUTION.search, installed) if found
        }
        if task.given.trees["source"].get("versioneer.py") is not None:
            names.add("versioneer")
        cut_off = (
            state is not None
            and bool(state.shallow)
            and (bool(state.dirty) or not git_clone.is_tagged(task.directory.source))
        )
        log = since(Path(task.log.name), begin).decode("utf-8", "replace")
        return scm_version.doubts(sdist, tools=names & scm_version.TOOLS, cut_off=cut_off, log=log)

    def _retried(
        self, task: Task, before: tuple[CommandLine, ...], run: StepRun, call: Callable[[], T]
    ) -> T:
        """Call the backend for the sdist; where it fails, once more in a copy where ``before`` was run first.

        An sdist is made of the project as it is, for all targets; but a build script may end where a file
        is missing that the builds' own commands write.
        """
        try:
            return call()
        except StepTimeout:
            raise
        except StepFailed as error:
            if not before:
                raise
            remove_tree(task.directory.source)
            self.sources.put(task, vcs=True)
            try:
                for line in before:
                    run.command(line, cwd=self.sources.root(task.directory, vcs=True))
            except StepFailed:
                raise error from None
        self.toolbox.warn_once(
            "the backend could not make the sdist until [build] before-build had run"
        )
        return call()

    def _tell_left_out(self) -> None:
        """Warn of what `meson dist`, which packs commits, will not see."""
        changed = () if self.inputs.vcs is None else self.inputs.vcs.dirty
        if changed:
            shown = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
            self.toolbox.warn_once(
                f"not in the sdist, which meson makes of what is committed: {shown}; commit, or set "
                "enable = false in [sdist]"
            )

    def wheel(self, task: Task, command: BuildWheel) -> dict[str, str]:
        """Build the wheel; it is in the step's output then."""
        source = task.given.trees["source"]
        self.sources.put(task, vcs=False)
        ready = self.tools.ready(task, command.compilers, source) if command.compilers else None
        run = self._hook_run(task, command.python, ready)
        if ready is not None and "target_environment" in task.given.trees:
            run, ready = self.environments.with_target_packages(task, run, ready)
        for line in command.before:
            run.command(line, cwd=task.directory.source)
        if command.environment is None:
            self._ask_here(task, "wheel", command, run, ready)
        python = task.directory.environment / "bin" / "python"
        settings = build_tools.config_settings(command, ready)
        if command.frontend == "uv":
            extra = build_tools.hook_variables(ready, task.step, run)
            self._by_uv(run, python=python, settings=settings, extra=extra)
        else:
            build_hooks.build(
                run,
                "wheel",
                python=python,
                source=task.directory.source,
                output=task.directory.output,
                settings=settings,
                extra=build_tools.hook_variables(ready, task.step, run),
            )
        wheel = wheel_repair.sole_wheel(task.directory.output)
        return {"wheel": wheel.name}

    def _ask_here(
        self,
        task: Task,
        hook: Literal["sdist", "wheel"],
        command: MakeSdist | BuildWheel,
        run: StepRun,
        ready: ReadyCompilers | None,
    ) -> None:
        """What else the backend wants must be installed too. Raises ``HostCannot``."""
        asked = build_hooks.requirements(
            run,
            hook,
            python=task.directory.environment / "bin" / "python",
            source=self.sources.root(task.directory, vcs=hook == "sdist"),
            settings=command.config_settings,
            extra=build_tools.hook_variables(ready, task.step, run),
        )
        self.toolbox.installed(command.python).require(asked, what=task.step.title)

    def _by_uv(
        self,
        run: StepRun,
        *,
        python: Path,
        settings: build_tools.Settings,
        extra: Mapping[str, str],
    ) -> None:
        import uv

        words = [f"{name}={value}" for name, values in settings for value in values]
        given = [word for pair in words for word in ("--config-setting", pair)]
        argv = [uv.find_uv_bin(), "build", "--wheel", "--no-build-isolation", "--offline"]
        argv += ["--no-config", "--no-cache", "--python", str(python), *given]
        directory = run.directory
        build_tools.show_view_to_uv(directory, extra)
        run.call([*argv, "-o", str(directory.output), str(directory.source)], extra=extra)
        run.let_in()
        (directory.output / ".gitignore").unlink(missing_ok=True)

    def _compilers_for_asking(self, task: Task, command: AskRequirements) -> ReadyCompilers | None:
        """Compilers for a hook that is only asked: nothing is made for it, unless commands run before."""
        if command.compilers is None:
            return None
        if command.before:
            return self.tools.ready(task, command.compilers, task.given.trees["source"])
        return self.toolbox.compilers(command.compilers, (), task.directory.root)

    def _hook_run(self, task: Task, word: str, ready: ReadyCompilers | None) -> StepRun:
        """What runs build hooks: the build environment at its place, the compilers on PATH."""
        directory, command = task.directory, task.step.command
        python = self.environments.put(task, word)
        variables = dict(ready.variables) if ready else {}
        if ready and task.given.trees.get("environment") is None:
            folders = self.toolbox.installed(word).folders()
            variables["MPFORGE_INSTALLED"] = ":".join(map(str, folders))
        path = (str(python.parent), *(ready.path if ready else ()))
        makes_sdist = isinstance(command, MakeSdist) or getattr(command, "hook", "") == "sdist"
        place = self.sources.root(directory, vcs=makes_sdist)
        placeholders = {
            "python": str(python),
            "project": str(place),
            "package": str(place),
            "dest_dir": str(directory.output),
        }
        compilers = getattr(command, "compilers", None)
        if isinstance(compilers, Compilers):
            placeholders |= build_tools.placeholders(compilers, directory, ready)
        if self.inputs.source.form == "checkout":
            variables |= git_clone.VARIABLES
            if isinstance(command, MakeSdist):
                # The day in a dirty version is HEAD's, not 1980's: the key has HEAD.
                committed = git_clone.commit_time(directory.source)
                variables |= {} if committed is None else {"SOURCE_DATE_EPOCH": str(committed)}
        return self.start(
            task,
            variables,
            path,
            placeholders=placeholders,
        )
