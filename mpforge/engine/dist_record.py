"""``dist/mpforge.json``: what is known of each published file, read and written.

A newer mpforge may have written it, with fields that this one does not know: they are kept. What is no
record of this schema is damaged, unless it says that it is of a newer one.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from mpforge.errors import UPDATE, DistConflict, written_by_newer
from mpforge.store import notes
from mpforge.store.files import write_atomically

RECORD = "mpforge.json"
SCHEMA = 1
_LISTS = ("tags", "users", "observed")
_MAY_LACK = ("target", "python", "symlink")


@dataclass(frozen=True)
class Entry:
    """One file of ``dist/``.

    ``path`` is relative to ``dist/``; ``session`` of ``spec`` made it, ``users`` are the other
    sessions that it serves. ``source`` and ``options`` tell what it was built from, ``recipe``
    everything that was known before building, ``store`` which machine's store it came from.
    ``observed`` are the keys under which the store has what was read of the host for it.
    ``tests`` maps a test session to what it reported. A ``symlink`` is recorded with its target,
    whose bytes are what ``digest`` is of. ``unknown`` are the fields of a newer mpforge.
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
    tests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)


_KNOWN = tuple(each.name for each in fields(Entry) if each.name != "unknown")
_TEXTS = tuple(name for name in _KNOWN if name not in {*_LISTS, "executable", "tests"})


def read(dist: Path) -> tuple[Entry, ...] | None:
    """What the record of ``dist/`` holds; None where there is one that can't be understood.

    Raises ``DistConflict`` for one of a newer schema.
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
    """Read one file's record, which may come from another machine. ``ValueError`` for a bad one."""
    path = PurePosixPath(item["path"])
    if path.is_absolute() or not path.parts or ".." in path.parts or {"\\", "\0"} & set(str(path)):
        raise ValueError(f"{item['path']} leaves dist/")
    found = {name: item[name] for name in _KNOWN if name in item}
    found |= {name: tuple(item.get(name, ())) for name in _LISTS}
    unknown = {name: value for name, value in item.items() if name not in _KNOWN}
    entry = Entry(**found, unknown=unknown)
    if not _is_sound(entry):
        raise ValueError(f"a field of {entry.path} is of another type")
    return entry


def _is_sound(entry: Entry) -> bool:
    """Whether each field is what the rest of the code takes it for."""
    texts = [each for name in _LISTS for each in getattr(entry, name)]
    for name in _TEXTS:
        value = getattr(entry, name)
        texts += [] if value is None and name in _MAY_LACK else [value]
    of_kind = [
        *((text, str) for text in texts),
        (entry.executable, bool),
        (entry.tests, dict),
        *((result, dict) for result in dict(entry.tests).values()),
    ]
    return all(isinstance(value, kind) for value, kind in of_kind)


def write(dist: Path, making: Path, entries: Sequence[Entry]) -> None:
    """Replace the record; ``making`` is a directory for what is not yet in place.

    A crash leaves nothing beside the published files.
    """
    files = [_data(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    text = json.dumps({"schema": SCHEMA, "files": files}, indent=1, sort_keys=True) + "\n"
    write_atomically(making / RECORD, text.encode())
    os.replace(making / RECORD, dist / RECORD)
    with contextlib.suppress(OSError):
        making.rmdir()


def _data(entry: Entry) -> dict[str, Any]:
    return {**entry.unknown, **{name: getattr(entry, name) for name in _KNOWN}}
