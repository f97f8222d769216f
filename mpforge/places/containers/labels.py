"""The labels of what is ours with an engine, and what a killed process has left there.

A container is marked with who made it: it may be removed when that process is surely no more.
"""

import contextlib
import os
import socket
from pathlib import Path

from mpforge.errors import EngineLost, EngineRefuses
from mpforge.places.containers.connection import Engine, speaking

LABEL = "mpforge"
"""The label of each container of ours: MACHINE PID START of the process that made it."""
TITLE = f"{LABEL}.title"
"""The label that tells people what a container is for."""
IMAGE_LABEL = "mpforge.image"
"""The label of an image that we made: ``layer`` or ``probe``."""
LAYER = "mpforge.layer"
"""The label of a layer: the whole key that it is kept under."""


def own_mark() -> str:
    """The value of the label: who has made a container, told from all others who ever may."""
    return f"{_where()} {os.getpid()} {_started(os.getpid())}"


def _where() -> str:
    """This machine since it was started, and its process ids: others may share a name, never all of these.

    Every machine's first namespace has one number (pid_namespaces(7)), no two starts have (random(4)).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # no Linux: nothing is told apart, nor reaped


def _started(process: int) -> str:
    """When a process of this machine started, in the kernel's ticks; empty if there is none (proc(5))."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _is_dead(mark: str) -> bool:
    """Whether the process of a mark was one of this machine, and is no more."""
    where, _, rest = mark.partition(" ")
    process, _, started = rest.partition(" ")
    if not where or where != _where() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, of which /proc may hide when it started
        pass
    return _started(int(process)) not in ("", started)


def reap(engine: Engine) -> int:
    """Remove the containers of processes of this machine that are no more; how many there were.

    The engine does so itself, but for those that were made and never started.
    """
    removed = 0
    with speaking("list containers"):
        found = engine.client.api.containers(all=True, filters={"label": LABEL})
    for one in found:
        if _is_dead(one["Labels"][LABEL]):
            with contextlib.suppress(EngineLost, EngineRefuses), speaking("remove a container"):
                engine.client.api.remove_container(one["Id"], force=True, v=True)
                removed += 1
    return removed
