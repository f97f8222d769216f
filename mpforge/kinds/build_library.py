"""Build a native library for a target, and install it as a tree that may be put anywhere."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.artifacts.licenses import folder, license_files
from mpforge.errors import OutputMissing, PatchRefused, StepFailed
from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import BuildLibrary
from mpforge.platforms import well_known

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision
    from mpforge.places.step import StepRun

_FLAGS = {"CFLAGS": "-O2 -fPIC", "CXXFLAGS": "-O2 -fPIC"}
"""Flags for build systems without their own defaults, all except CMake and Meson."""


_SHOWN = 5


def configured(name: str) -> str:
    """Return the directory that a library is configured for, which exists nowhere.

    So no path of a build or of a machine gets into the library.
    """
    return f"/mpforge/{name}"


class BuildingLibrary(Kind[BuildLibrary]):
    """Kind of the steps that build native libraries."""

    reads_host: bool = True

    def parts(self, command: BuildLibrary, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the compilers."""
        return provision.compiler_parts(command.compilers)

    def run(self, task: Task, command: BuildLibrary, provision: "Provision") -> dict[str, str]:
        """Build and install the library; make the result relocatable and prove that it is for the target.

        Raises ``PatchRefused``, ``OutputMissing``, ``WheelRejected``.
        """
        from mpforge.artifacts.binary_format import Promise
        from mpforge.artifacts.proof import prove_files
        from mpforge.kinds import build_tools, execution, step_inputs

        directory, compilers = task.directory, command.compilers
        step_inputs.restore_source(provision.store, task.given.trees["source"], directory.source)
        ready = build_tools.make_ready(task, provision, compilers)
        installed = directory.root / "installed"
        placeholders = build_tools.placeholders(compilers, directory, ready)
        placeholders |= {"dest_dir": str(installed), "prefix": configured(command.name)}
        source = directory.source / command.directory
        placeholders["project"] = placeholders["package"] = str(source)
        own = compilers.configurer in ("cmake", "meson")
        variables = {**ready.variables, **({} if own else _FLAGS)}
        run = execution.start(task, provision, variables, ready.path, placeholders=placeholders)
        _apply_patches(task, run, provision)
        licenses = _licenses(task, command)
        for line in command.commands:
            run.command(line, cwd=source)
        run.let_in()
        _put_in_place(task, command, run, installed)
        for name, data in licenses.items():
            place = directory.output / folder(command.name) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        passing = Path(run.place.to_place_paths(str(directory.root)))
        promise = Promise(well_known()[command.target], command.policy, passing=passing)
        prove_files(directory.output, promise, task.step.title)
        return {}


def _apply_patches(task: Task, run: "StepRun", provision: "Provision") -> None:
    """Apply the patches of a library's source. Raises ``PatchRefused``."""
    from mpforge.kinds import step_inputs

    if (tree := task.given.trees.get("patches")) is None:
        return
    folder = task.directory.root / "patches"
    provision.store.restore(tree, folder)
    for number, patch in enumerate(sorted(folder.iterdir()), start=1):
        try:
            run.call(["patch", "-p1", "--batch", "-i", str(patch)], cwd=task.directory.source)
        except StepFailed as error:
            raise PatchRefused(
                f"{task.step.title}: patch {number} of its `patches` does not apply",
                why=error.why,
                hint="it is applied with `patch -p1` at the top of the source, after those before it; "
                "make it from this version of the source",
            ) from None
    # Equal times again, or make would generate what a patched file's neighbours are made from.
    step_inputs.settle_times(task.directory.source)


def _outside(installed: Path, root: Path) -> list[str]:
    """Return the paths of installed files that are not below ``root``, the library's own prefix."""
    if root == installed:
        return []
    files = (path for path in sorted(installed.rglob("*")) if not path.is_relative_to(root))
    return [f"/{path.relative_to(installed)}" for path in files if not path.is_dir()]


def _licenses(task: Task, command: BuildLibrary) -> dict[str, bytes]:
    """Return the licence files of a library's source, by path in it. Raises ``OutputMissing``."""
    source = task.directory.source
    return {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in license_files(source, command.license_files)
    }


def _put_in_place(task: Task, command: BuildLibrary, run: "StepRun", installed: Path) -> None:
    """Move what was installed to the step's output, relocatable. Raises ``OutputMissing``."""
    from mpforge.artifacts import installed_prefix
    from mpforge.kinds import library_inputs

    directory, prefix = task.directory, configured(command.name)
    below = installed / prefix.lstrip("/")
    root = below if below.is_dir() else installed
    if not root.is_dir() or not any(root.iterdir()):
        raise OutputMissing(
            f"{task.step.title}: the build succeeded, but installed nothing",
            hint="install into {dest_dir}, for the prefix {prefix}: `make install DESTDIR={dest_dir}` "
            "after `./configure --prefix={prefix}`",
        )
    outside = _outside(installed, root)
    if outside:
        task.warnings.append(
            f"{task.step.title}: it installed files outside of its prefix {prefix}, which are left out: "
            + " ".join(outside[:_SHOWN])
            + (f" and {len(outside) - _SHOWN} more" if len(outside) > _SHOWN else "")
        )
    directory.output.rmdir()
    os.rename(root, directory.output)
    own = str(directory.root)
    passing = (own, run.place.to_place_paths(own))
    beside = {
        place: name
        for name, path in library_inputs.prefixes(directory.root).items()
        for place in (str(path), run.place.to_place_paths(str(path)))
    }
    if command.compilers.cross:
        installed_prefix.remove_programs(directory.output)
    found = installed_prefix.Prefix(
        directory.output,
        (prefix, str(installed), run.place.to_place_paths(str(installed))),
        tuple(dict.fromkeys(passing)),
        beside,
        command.shared,
        task.step.title,
    )
    left = found.relocate()
    if left:
        run.note(f"these files name the build's directory: {' '.join(left)}")
