"""Trees of tools as the runtime's volumes, mounted read-only in containers.

A compiler of 400 MB is copied to a runtime once, not into each container. Another, empty volume marks a
complete one and is created after it is filled: a process that is killed leaves a volume that is never used,
and no two processes write to the same one. Knows nothing of a tree's content.
"""

import contextlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.errors import StepFailed
from mpforge.places.containers.connection import ContainerRuntime, speaking
from mpforge.places.containers.container import Container, Mount
from mpforge.store.locks import alone

_TOOL, _FILLED = "mpforge.tool", "mpforge.filled"


def provide(
    runtime: ContainerRuntime,
    name: str,
    tree: Path,
    *,
    image: str,
    lock: Path,
    filling: AbstractContextManager[None],
) -> str:
    """Return the volume of a tree, whose ``name`` identifies its content; created if need be.

    ``image`` is any image with ``cat``; one holder of the ``lock`` file fills it, others wait;
    ``filling`` is the context of the work. Raises ``RuntimeRefuses``, ``RuntimeLost``.
    """
    with alone(lock, waits=lambda: None, warn=lambda _message: None):
        if found := _whole(runtime, name):
            return found
        volume, place = f"mpforge-{name}-{os.urandom(4).hex()}", "/mpforge/filled"
        with speaking(f"make the volume {volume}"):
            runtime.client.api.create_volume(volume, labels={_TOOL: name})
        try:
            mount = Mount(volume, place, writable=True)
            with filling, Container(runtime, image, mounts=[mount], title=str(lock)) as at:
                at.put(tree, place)
        except BaseException:  # an interrupt too: a volume without its mark is never used
            with contextlib.suppress(StepFailed), speaking(f"remove the volume {volume}"):
                runtime.client.api.remove_volume(volume, force=True)
            raise
        with speaking(f"make the volume {volume}"):
            marks = {_TOOL: name, _FILLED: volume}
            runtime.client.api.create_volume(f"{volume}-filled", labels=marks)
        return volume


def _whole(runtime: ContainerRuntime, name: str) -> str | None:
    """Return a complete volume of that name, or None."""
    with speaking(f"find the volume of {name}"):
        found = runtime.client.api.volumes(filters={"label": f"{_TOOL}={name}"})["Volumes"] or []
    labels = {volume["Name"]: volume["Labels"] or {} for volume in found}
    marked = (told[_FILLED] for told in labels.values() if _FILLED in told)
    return next((volume for volume in sorted(marked) if volume in labels), None)
