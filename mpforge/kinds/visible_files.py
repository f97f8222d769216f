"""The files of this host that are visible to a step: those of its session's tools, and those the spec names.

Naming a path in a command or a variable declares it: that of an installed library, for example.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from mpforge.kinds.registry import kind_of
from mpforge.kinds.toolbox import Toolbox, base_root
from mpforge.obtain import host_programs
from mpforge.places import recorded_commands, sandbox
from mpforge.places.host import HostPlace
from mpforge.places.step import StepDirectory
from mpforge.plan.steps import Step
from mpforge.plan.texts import Argv, Placeholder, ShellLine, symbolic
from mpforge.store.tool_manifests import TREE

# Not the end of another path ({project}/x, src/x), but glued to an option (-I/opt/include).
_PATH = re.compile(r"(?:(?<![\w.}/~-])|(?<=-[IL]))/[\w@%+.~/-]+")
_OF_SYSTEM = ("/proc", "/dev", "/sys", "/run", "/var/run", "/etc")


def host_place(step: Step, directory: StepDirectory, toolbox: Toolbox) -> HostPlace:
    """Return the place on this host where a step's programs run. Raises as ``base_root``."""
    files = functools.partial(visible, step, directory, toolbox)
    return sandbox.on_host(
        directory.root,
        network=step.network,
        visible=files,
        mounted=toolbox.mounted,
        base=base_root(toolbox.tools.base),
    )


def visible(step: Step, directory: StepDirectory, toolbox: Toolbox) -> set[Path]:
    """Return the files and directories that a step's programs may read, as far as known by now."""
    found = toolbox.visible() | named_paths(step)
    return found | set(filter(_is_mountable, kind_of(step.command).visible(directory)))


def show_recorded_tools(directory: StepDirectory, toolbox: Toolbox) -> None:
    """Make the tools of the store visible that the variables of a directory's earlier programs name."""
    tool = re.compile(rf"{re.escape(str(toolbox.store.root))}/[^/:\s]+/{TREE}")
    for program in recorded_commands.read(directory.root):
        for value in program.environment.values():
            toolbox.tools.host_paths.update(filter(Path.is_dir, map(Path, tool.findall(value))))


def named_paths(step: Step) -> set[Path]:
    """Return the files and directories of this host that the spec's texts name for a step."""
    values = [getattr(step.command, field.name) for field in dataclasses.fields(step.command)]
    texts = _texts((*values, *(text for _, text in step.variables.values)))
    return {
        path for text in texts for path in map(Path, _PATH.findall(text)) if _is_mountable(path)
    }


def _texts(value: object) -> Iterator[str]:
    """Yield the texts in fields of a command, with placeholders as the spec writes them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, ShellLine | Argv):
        yield str(value)
    elif isinstance(value, tuple) and any(isinstance(part, Placeholder) for part in value):
        yield symbolic(value)
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)


def _is_mountable(path: Path) -> bool:
    """Return whether a path may be mounted: no home directory, nothing of the kernel, no socket."""
    system = any(path.is_relative_to(folder) for folder in _OF_SYSTEM)
    return not system and not host_programs.is_shared(path) and (path.is_file() or path.is_dir())
