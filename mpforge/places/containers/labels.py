"""The labels of mpforge's containers and images in a runtime, and the removal of leftovers.

A container is labelled with its creator: it may be removed when that process has certainly ended.
"""

import contextlib
import os
import socket
from pathlib import Path

from mpforge.errors import RuntimeLost, RuntimeRefuses
from mpforge.places.containers.connection import ContainerRuntime, speaking

LABEL = "mpforge"
"""The label of each container of ours: MACHINE PID START of its creator."""
TITLE = f"{LABEL}.title"
"""The label that describes a container's purpose for people."""
IMAGE_LABEL = "mpforge.image"
"""The label of an image of ours: ``layer`` or ``probe``."""
LAYER = "mpforge.layer"
"""The label of a layer: its whole key."""


def own_mark() -> str:
    """Return the label's value: this process, distinct from every other creator."""
    return f"{_where()} {os.getpid()} {_started(os.getpid())}"


def _where() -> str:
    """Return an id of this boot of this machine and of its pid namespace, distinct from all others.

    The first namespace has the same number on every machine (pid_namespaces(7)); boot ids differ (random(4)).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # no Linux: creators can't be identified, so nothing is reaped


def _started(process: int) -> str:
    """Return a process's start in the kernel's ticks; empty if there is no such process (proc(5))."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _is_dead(mark: str) -> bool:
    """Return whether the process of a mark was one of this machine and has ended."""
    where, _, rest = mark.partition(" ")
    process, _, started = rest.partition(" ")
    if not where or where != _where() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's: /proc may hide its start
        pass
    return _started(int(process)) not in ("", started)


def reap(runtime: ContainerRuntime) -> None:
    """Remove the containers of ended processes of this machine.

    The runtime removes them itself, except those that were created and never started.
    """
    with speaking("list containers"):
        found = runtime.client.api.containers(all=True, filters={"label": LABEL})
    for one in found:
        if _is_dead(one["Labels"][LABEL]):
            with contextlib.suppress(RuntimeLost, RuntimeRefuses), speaking("remove a container"):
                runtime.client.api.remove_container(one["Id"], force=True, v=True)
