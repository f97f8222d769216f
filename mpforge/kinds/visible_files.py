"""The files of this host that are visible to a step: of its session's tools, and those the spec names."""

import functools
import re
from pathlib import Path

from mpforge.kinds import named_paths
from mpforge.kinds.registry import kind_of
from mpforge.kinds.target_roots import TargetRoot
from mpforge.kinds.toolbox import Toolbox, base_root
from mpforge.places import recorded_commands, root_contents, sandbox
from mpforge.places.host import HostPlace
from mpforge.places.isolation import isolation
from mpforge.places.step import StepDirectory
from mpforge.plan.steps import Step
from mpforge.store.tool_manifests import TREE


def host_place(
    step: Step, directory: StepDirectory, toolbox: Toolbox, *, root: TargetRoot | None = None
) -> HostPlace:
    """Return the place on this host where a step's programs run; in ``root``, if there is one.

    Raises as ``base_root``.
    """
    if root is not None:
        return sandbox.Sandbox(
            isolation(),
            step.network,
            directory.root,
            functools.partial(_of_step, step, directory),
            toolbox.mounted,
            root.path,
            root.operations,
        )
    files = functools.partial(visible, step, directory, toolbox)
    return sandbox.on_host(
        directory.root,
        network=step.network,
        visible=files,
        mounted=toolbox.mounted,
        base=(base := base_root(toolbox.tools.base)),
        also=_hidden(step, directory, base),
        by=toolbox.tracer,
    )


def _hidden(step: Step, directory: StepDirectory, base: Path) -> tuple[str, ...]:
    """Return the operations for a build that is given native libraries: it finds none of this host's.

    The host's gcc needs the host's headers.
    """
    compilers, given = step.command.compilers, getattr(step.command, "libraries", ())
    if not given or compilers is None or compilers.toolchain.name != "zig":
        return ()
    return root_contents.without_headers(base, directory.root / "no-headers")


def visible(step: Step, directory: StepDirectory, toolbox: Toolbox) -> set[Path]:
    """Return the files and directories that a step's programs may read, as far as known by now."""
    return toolbox.visible() | _of_step(step, directory)


def _of_step(step: Step, directory: StepDirectory) -> set[Path]:
    found = named_paths.mounted(step.texts())
    return found | set(filter(named_paths.is_mountable, kind_of(step.command).visible(directory)))


def show_recorded_tools(directory: StepDirectory, toolbox: Toolbox) -> None:
    """Make the tools of the store visible that the variables of a directory's earlier programs name."""
    tool = re.compile(rf"{re.escape(str(toolbox.store.root))}/[^/:\s]+/{TREE}")
    for program in recorded_commands.read(directory.root):
        for value in program.environment.values():
            toolbox.tools.host_paths.update(filter(Path.is_dir, map(Path, tool.findall(value))))
