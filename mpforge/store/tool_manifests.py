"""Tools as trees of the store that are used in place: recorded when made, compared before they are used.

``manifest.jsonl`` has the directories of a tool's tree as the store encodes them; the tree's digest is in
``tool.json``. ``stamps.json`` is a hint: a tree whose stamps did not change since it was compared is not read
again. Does not know a tool's content, nor what happens to a damaged one.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mpforge.store import notes, stamps, trees
from mpforge.store.file_digests import is_old
from mpforge.store.files import entries_below, hash_file, write_atomically
from mpforge.store.trees import Directory, FileNode

MANIFEST, STAMPS, TREE = "manifest.jsonl", "stamps.json", "tree"
SCHEMA = 3
BEFORE = 2
"""The schema of tools with a manifest of another form, ``manifest.json``, which are used as they are."""
# After this time a change can't leave the same ctime behind (a kernel's tick is 10 ms at most).
_TICK_SECONDS = 0.02


def seal(home: Path, *, modes: bool = False) -> dict[str, Any]:
    """Make the files of ``home/tree`` read-only and write its manifest; return its part of ``tool.json``.

    ``modes``: leave them as they are.

    No other process may use ``home`` before this has returned. Raises ``OSError``.
    """
    for _, entry in () if modes else entries_below(home / TREE):
        if entry.is_file(follow_symlinks=False):
            executable = entry.stat(follow_symlinks=False).st_mode & 0o111
            os.chmod(entry.path, 0o555 if executable else 0o444)
    stamp, _ = stamps.below(home / TREE)
    tree = _read(home / TREE)
    time.sleep(_TICK_SECONDS)
    write_atomically(home / MANIFEST, trees.to_manifest(tree))
    links = sum(len(entry) for _, entry in tree.walk() if isinstance(entry, str))
    record = {"schema": SCHEMA, "tree": tree.digest(), "size": tree.size() + links}
    notes.keep(home / STAMPS, _compared(record, stamp))
    return record


def damage(home: Path, record: Mapping[str, Any]) -> str | None:
    """Return a defect of ``home/tree``, or None; one with the stamps of an intact tree is not read.

    Raises ``OSError``, also for a file that is removed meanwhile.
    """
    stamp, changed = stamps.below(home / TREE)
    if notes.load(home / STAMPS) == _compared(record, stamp):
        return None
    problem = next(_differences(home, record), None)
    if problem is None and is_old(changed):
        notes.keep(home / STAMPS, _compared(record, stamp))
    return problem


def _compared(record: Mapping[str, Any], stamp: str) -> dict[str, Any]:
    """Return the note of an intact tree: of this boot, as a power failure's loss may look right."""
    return {"tree": record.get("tree"), "boot": stamps.boot_id(), "stamp": stamp}


def problems(home: Path, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield all defects of ``home/tree``; every file is read."""
    try:
        yield from _differences(home, record)
    except OSError as error:
        place = os.path.relpath(error.filename, home / TREE) if error.filename else "it"
        yield f"{place} can't be read ({error.strerror})"


def _differences(home: Path, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences of a tree from its manifest. Raises ``OSError``."""
    is_before = record["schema"] == BEFORE
    name = "manifest.json" if is_before else MANIFEST
    parse = _tree_before if is_before else trees.from_manifest
    try:
        tree = parse(notes.read(home / name), str(record.get("tree")))
    except (OSError, ValueError):
        yield f"{name} was modified"
        return
    yield from trees.differences(tree, _read(home / TREE))


def _read(root: Path) -> Directory:
    """Return the tree of everything below a directory, empty directories too. Raises ``OSError``.

    A FIFO, socket or device counts as an empty directory.
    """
    found: dict[str, FileNode | str | None] = {}
    for path, entry in entries_below(root):
        if entry.is_symlink():
            found[path] = os.readlink(entry.path)
        else:
            is_file = entry.is_file(follow_symlinks=False)
            found[path] = hash_file(Path(entry.path)) if is_file else None
    return trees.from_entries(found)


def _tree_before(manifest: bytes, digest: str) -> Directory:
    """Return the tree of a manifest of schema 2, which has this sha256. Raises ``ValueError``."""
    if hashlib.sha256(manifest).hexdigest() != digest:
        raise ValueError("it was modified")
    found: dict[str, FileNode | str | None] = {}
    for path, (kind, *facts) in json.loads(manifest)["entries"].items():
        if kind == "file":
            size, executable, content = facts
            found[path] = FileNode(content, size, executable)
        else:
            found[path] = facts[0] if facts else None
    return trees.from_entries(found)
