"""Trees of tools that containers see read-only, kept by the engine itself as volumes.

A compiler of 400 MB is copied to an engine once, not into each container. A volume is filled and then
remembered as whole; one that is not remembered is filled again. Knows nothing of what is in a tree.
"""

import contextlib
import json
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.runners.containers.connection import Engine, speaking
from mpforge.runners.containers.container import Container
from mpforge.store.files import write_atomically
from mpforge.store.locks import alone

_LABEL = "mpforge.tool"


def provide(
    engine: Engine,
    name: str,
    tree: Path,
    *,
    image: str,
    remembered: Path,
    lock: Path,
    filling: AbstractContextManager[None],
) -> str:
    """The volume of a tree, by a name that stands for its content; filled if need be.

    ``image`` is any image with a ``cat``; ``remembered`` and ``lock`` files of this host. One process
    fills it, others wait; ``filling`` goes round the work. Raises ``EngineRefuses``, ``EngineLost``.
    """
    volume = f"mpforge-{name}"
    with alone(lock, waits=_nothing, warn=_unheard):
        if not _is_whole(engine, volume, remembered):
            with speaking(f"make the volume {volume}"):
                engine.client.api.create_volume(volume, labels={_LABEL: name})
            place = "/mpforge/filled"
            with (
                filling,
                Container(engine, image, volumes={place: volume}, writable=True) as container,
            ):
                container.put(tree, place)
            _remember(engine, volume, remembered)
    return volume


def _nothing() -> None:
    pass


def _unheard(_message: str) -> None:
    pass


def _made(engine: Engine, volume: str) -> str | None:
    """When the engine made a volume, which tells it from another of the name; None: there is none."""
    from docker.errors import NotFound

    with speaking(f"look at the volume {volume}"):
        try:
            return str(engine.client.api.inspect_volume(volume)["CreatedAt"])
        except NotFound:
            return None


def _table(remembered: Path) -> dict[str, dict[str, str]]:
    with contextlib.suppress(OSError, ValueError):
        table = json.loads(remembered.read_text(encoding="utf-8"))
        if isinstance(table, dict):
            return table
    return {}


def _is_whole(engine: Engine, volume: str, remembered: Path) -> bool:
    made = _made(engine, volume)
    known = _table(remembered).get(engine.endpoint, {})
    return made is not None and known.get(volume) == made


def _remember(engine: Engine, volume: str, remembered: Path) -> None:
    table = _table(remembered)
    made = _made(engine, volume)
    if made is not None:
        table[engine.endpoint] = {**table.get(engine.endpoint, {}), volume: made}
        write_atomically(remembered, json.dumps(table, indent=1).encode())
