"""Manifests of tools' trees: recorded when a tool is made, compared with the tree before it is used.

``manifest.json`` is the truth: directories, symlinks with their targets, files with size, exec bit and
sha256; its own digest stands in ``tool.json``. ``stats.json`` is a hint: what ``lstat`` said. A tree that
has the same stats is not read again; otherwise only files with other stats are. This module does not
know a tool's content, nor what happens to a damaged one.
"""

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mpforge.store import notes
from mpforge.store.files import hash_file, write_atomically
from mpforge.store.stamps import boot_id

MANIFEST, STATS, TREE = "manifest.json", "stats.json", "tree"
_SCHEMA = 1
# After this time a change can't leave the same ctime behind (a kernel's tick is 10 ms at most).
_TICK_SECONDS = 0.02

# Size, mtime and ctime in ns, inode of a file or a symlink; None for a directory.
_Stat = list[int] | None
_Survey = dict[str, _Stat]


def seal(home: Path) -> tuple[str, int]:
    """Record ``home/tree`` in ``home`` and make its files read-only; return digest and size in bytes.

    No other process may use ``home`` before this has returned. Raises ``OSError``.
    """
    tree = home / TREE
    for path in _survey(tree):
        mode = os.lstat(f"{tree}/{path}").st_mode
        if stat.S_ISREG(mode):
            os.chmod(f"{tree}/{path}", 0o555 if mode & 0o111 else 0o444)
    survey = _survey(tree)
    entries = {path: _entry(f"{tree}/{path}") for path in survey}
    text = json.dumps({"schema": _SCHEMA, "entries": entries}, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    time.sleep(_TICK_SECONDS)
    write_atomically(home / MANIFEST, text)
    _remember(home, digest, survey, boot_id())
    return digest, sum(seen[0] for seen in survey.values() if seen is not None)


def damage(home: Path, digest: str) -> str | None:
    """Return a defect of ``home/tree``, found by its files' stats, or None.

    Files with other stats are read; if their content is unchanged, the new stats are remembered. Raises
    ``OSError``, also for a file that is removed meanwhile.
    """
    survey = _survey(home / TREE)
    known, again = _remembered(home, digest)
    if survey == known and not again:
        return None
    problem = next(_differences(home, digest, survey, {} if again else known), None)
    if problem is None:
        with contextlib.suppress(OSError):
            _remember(home, digest, survey, "")
    return problem


def problems(home: Path, digest: str) -> Iterator[str]:
    """Yield all defects of ``home/tree``; every file is read."""
    try:
        survey = _survey(home / TREE)
    except OSError as error:
        yield f"it can't be read ({error.strerror})"
        return
    yield from _differences(home, digest, survey, {})


def _survey(tree: Path) -> _Survey:
    """Return the ``lstat`` data of everything below a directory; empty if it does not exist."""
    found: _Survey = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            listed = os.scandir(f"{tree}/{folder}")
        except OSError:
            continue
        with listed:
            for entry in listed:
                path = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    found[path] = None
                    folders.append(f"{path}/")
                else:
                    seen = entry.stat(follow_symlinks=False)
                    found[path] = [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino]
    return found


def _entry(path: str) -> list[Any]:
    """Return a manifest's entry for a path."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return ["symlink", os.readlink(path)]
    if stat.S_ISDIR(mode):
        return ["directory"]
    if not stat.S_ISREG(mode):
        return ["neither file, directory nor symlink"]
    node = hash_file(Path(path))
    return ["file", node.size, node.executable, node.digest]


def _differences(home: Path, digest: str, survey: _Survey, known: _Survey) -> Iterator[str]:
    """Yield the differences of a surveyed tree from its manifest; files with ``known`` stats are not read."""
    manifest = _manifest(home, digest)
    if manifest is None:
        yield f"{MANIFEST} was modified"
        return
    for path in sorted(manifest.keys() - survey.keys()):
        yield f"{path} is missing"
    for path in sorted(survey.keys() - manifest.keys()):
        yield f"{path} was added"
    for path in sorted(manifest.keys() & survey.keys()):
        if survey[path] is not None and survey[path] == known.get(path):
            continue
        try:
            same = _entry(f"{home / TREE}/{path}") == manifest[path]
        except OSError as error:
            yield f"{path} can't be read ({error.strerror})"
            continue
        if not same:
            yield f"{path} was changed"


def _manifest(home: Path, digest: str) -> Mapping[str, list[Any]] | None:
    try:
        text = notes.read(home / MANIFEST)
        if hashlib.sha256(text).hexdigest() != digest:
            return None
        entries: Mapping[str, list[Any]] = json.loads(text)["entries"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entries


# --- the hint ---------------------------------------------------------------------------------


def _remember(home: Path, digest: str, survey: _Survey, boot: str) -> None:
    record = {"schema": _SCHEMA, "tree": digest, "boot": boot, "stats": survey}
    notes.put(home / STATS, json.dumps(record).encode())


def _remembered(home: Path, digest: str) -> tuple[_Survey, bool]:
    """Return the remembered stats, and whether the tree must be read anyway.

    It must at the first use after a reboot since it was made: what a power failure left of
    files that were not on the disk yet may look right.
    """
    record = stats(home)
    if record is None or record["tree"] != digest:
        return {}, True
    boot = record["boot"]
    return record["stats"], bool(boot) and boot != boot_id()


def stats(home: Path) -> dict[str, Any] | None:
    """Return the content of ``stats.json``; None if it is missing or not understood.

    It needs no checksum: an entry counts only if ``lstat`` returns the same.
    """
    try:
        record = json.loads(notes.read(home / STATS))
        is_known = record["schema"] == _SCHEMA and isinstance(record["stats"], dict)
        return record if is_known and {"tree", "boot"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
