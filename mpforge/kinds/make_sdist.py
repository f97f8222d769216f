"""Make the source distribution."""

import dataclasses
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task, since
from mpforge.plan.steps import MakeSdist
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision
    from mpforge.toolchains.ready import ReadyCompilers

_DISTRIBUTION = re.compile(r"/site-packages/([^/]+)-[^/-]+\.dist-info/METADATA$")


class MakingSdist(Kind[MakeSdist]):
    """Kind of the steps that make the sdist: the archive, and its content below ``tree``."""

    reads_host: bool = True

    def source_in(self, output: Directory) -> Directory:
        """Return the archive's content."""
        return output.directories["tree"]

    def parts(self, command: MakeSdist, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts: interpreter, git's state, archive format, Rust, compilers."""
        parts = provision.hook_parts(command) | provision.inputs.vcs_parts() | archive_parts()
        parts |= provision.toolbox.rust_parts(command.rust, None)
        return parts | provision.compiler_parts(command.compilers)

    def run(self, task: Task, command: MakeSdist, provision: "Provision") -> dict[str, str]:
        """Make the sdist; the step's output has it packed and unpacked."""
        from mpforge.artifacts import archives, canonical_archives
        from mpforge.formats.globs import without
        from mpforge.kinds import hook_calls, step_inputs
        from mpforge.sources import git_clone
        from mpforge.store.files import files_below

        begin, directory = task.log.tell(), task.directory
        step_inputs.put_source(task, provision, vcs=True)
        variables = {}
        if provision.inputs.source.form == "checkout":
            # The date in a dirty version is HEAD's, not 1980's: the key has HEAD.
            committed = git_clone.commit_time(directory.source)
            variables = {} if committed is None else {"SOURCE_DATE_EPOCH": str(committed)}
        hooks = hook_calls.on_host(
            task, command, provision, _compilers(task, command, provision), variables
        )
        if command.compilers is not None and hooks.ready is not None:
            # They are this host's, like the packages.
            found = step_inputs.with_descriptions(task, provision, hooks.run, hooks.ready)
            hooks = dataclasses.replace(hooks, run=found[0], ready=found[1])

        def made() -> Path:
            if command.environment is None:
                hooks.require("sdist", command.config_settings)
            return hooks.backend.build("sdist", directory.root, command.config_settings)

        archive = hooks.retried(command.retry, made)
        unpacked = directory.root / "unpacked"
        archives.unpack(archive, unpacked)
        if archive.name.endswith(".tar.gz"):
            when = canonical_archives.epoch_of(hooks.run.environment)
            canonical_archives.rewrite_tar_gz(archive, mtime=when)
        kept = directory.output / "tree"
        archives.sole_directory(unpacked).rename(kept)
        for path in set(files_below(kept)) - set(without(files_below(kept), command.exclude)):
            (kept / path).unlink()
        (directory.output / "archive").mkdir()
        archive.rename(directory.output / "archive" / archive.name)
        task.warnings.extend(_doubts_of_version(task, archive.name, begin, provision))
        return {"sdist": archive.name}


def archive_parts() -> dict[str, str]:
    """Return the ingredients of an archive's bytes when mpforge writes it again."""
    return {"archive.zlib": zlib.ZLIB_RUNTIME_VERSION}


def _compilers(task: Task, command: MakeSdist, provision: "Provision") -> "ReadyCompilers | None":
    """Return this host's compilers for a backend that compiles, or configures the project; or None."""
    from mpforge.kinds import build_tools
    from mpforge.toolchains.ready import ReadyCompilers

    toolbox, root = provision.toolbox, task.directory.root
    if command.rust is not None:
        return ReadyCompilers({}, {}).joined(toolbox.rust.plain(command.rust, root))
    if command.compilers is None:
        return None
    if command.compilers.configurer is None:
        return toolbox.compilers(command.compilers, (), root)
    changed = () if provision.inputs.vcs is None else provision.inputs.vcs.dirty
    if changed:  # `meson dist` packs commits
        shown = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
        toolbox.reporter.warn_once(
            f"not in the sdist, which Meson makes from committed files: {shown}; commit them, or "
            "set enable = false in [sdist]"
        )
    return build_tools.make_ready(task, provision, command.compilers)


def _doubts_of_version(task: Task, sdist: str, begin: int, provision: "Provision") -> list[str]:
    """Return warnings for the user about a version taken from git."""
    from packaging.utils import canonicalize_name

    from mpforge.diagnostics import scm_version
    from mpforge.sources import git_clone

    state, environment = provision.inputs.vcs, task.given.trees.get("environment")
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
