"""Read and write ``dist/mpforge.json``, the record of published files.

Fields that this version does not know, written by a newer mpforge, are kept. A record that does not follow
the schema is damaged, unless it says that its schema is newer.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mpforge.errors import UPDATE, DistConflict, written_by_newer
from mpforge.plan.codec import decode, encode
from mpforge.store import notes
from mpforge.store.files import write_atomically

RECORD = "mpforge.json"
SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """One file of ``dist/``.

    ``path`` is relative to ``dist/``; ``session`` of ``spec`` made it, ``users`` are the other sessions that
    use it. ``source`` and ``options`` are digests of its source and of the options of its build, ``recipe``
    of everything known before the build; ``store`` identifies the store (and machine) it came from.
    ``observed`` are the keys under which the store keeps the files of the host that its build read. ``tests``
    maps a test session to its result. A ``symlink`` is recorded with its target; ``digest`` is that of the
    target's bytes. ``unknown`` are fields written by a newer mpforge.
    """

    path: str
    digest: str
    session: str
    target: str | None
    python: str | None
    source: str
    options: str
    recipe: str
    key: str
    store: str
    strategy: str
    host: str
    spec: str = "multiplatform.toml"
    tags: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    executable: bool = False
    symlink: str | None = None
    tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)


_KNOWN = {each.name for each in fields(Entry)} - {"unknown"}


def read(dist: Path) -> tuple[Entry, ...] | None:
    """Return the entries recorded in ``dist/``; None if the record can't be parsed.

    Raises ``DistConflict`` for a record of a newer schema.
    """
    try:
        data = json.loads(notes.read(dist / RECORD))
        if type(data["schema"]) is int and data["schema"] > SCHEMA:
            raise DistConflict(
                written_by_newer(f"{dist.name}/{RECORD}", data["schema"], SCHEMA),
                hint=f"{UPDATE}, or move {dist.name}/ away",
            )
        return tuple(_entry(item) for item in data["files"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _entry(item: dict[str, Any]) -> Entry:
    """Parse one file's entry, which may come from another machine.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a bad one.
    """
    path = PurePosixPath(item["path"])
    if path.is_absolute() or not path.parts or ".." in path.parts or {"\\", "\0"} & set(str(path)):
        raise ValueError(f"{item['path']} leaves dist/")
    known = decode(Entry, {name: value for name, value in item.items() if name in _KNOWN})
    unknown = {name: value for name, value in item.items() if name not in _KNOWN}
    return replace(known, unknown=unknown)


def write(dist: Path, making: Path, entries: Sequence[Entry]) -> None:
    """Replace the record; ``making`` is the directory for temporary files.

    A crash leaves nothing beside the published files.
    """
    files = [_data(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    text = json.dumps({"schema": SCHEMA, "files": files}, indent=1, sort_keys=True) + "\n"
    write_atomically(dist / RECORD, text.encode(), below=making)
    with contextlib.suppress(OSError):
        making.rmdir()


def _data(entry: Entry) -> dict[str, Any]:
    data = encode(entry)
    return {**data.pop("unknown"), **data}
