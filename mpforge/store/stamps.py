"""Stamps of paths: metadata of the file system that changes when the path's content does.

A changed file gets another mtime or ctime, a replaced one another inode, and a directory in which something
appeared or vanished another mtime: as git's index relies on. ``ctime`` can't be set by a program, so a
restored mtime shows too. A change within the same tick of the clock does not show: see ``latest``.
"""

import functools
import hashlib
import marshal
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mpforge.store.files import entries_below

WHOLE, ENTRY, PLACE = "whole", "entry", "place"
"""How much of a path is stamped: all; all but the times, for entries of a store, where each use sets the time
of last use; or only that it is the same directory."""
Stamp = tuple[int, ...]

_lstat, _stat = os.lstat, os.stat  # while reads are recorded, os has others


def stamp(path: str) -> Stamp:
    """Return a path's stamp, a link's with that of its target; the error number if there is nothing.

    Where reads are recorded for the memo, this one is.
    """
    return _stamp(path, WHOLE, os.stat)


def unrecorded(path: str, kind: str = WHOLE) -> Stamp:
    """Return a path's stamp as ``stamp`` does, for the memo itself."""
    return _stamp(path, kind, _stat)


def _stamp(path: str, kind: str, look: Callable[..., os.stat_result]) -> Stamp:
    try:
        status = look(path, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return _numbers(status, kind)
        return _numbers(status, WHOLE) + _numbers(look(path), kind)
    except OSError as error:
        return (error.errno or -1,)
    except ValueError:  # no path at all
        return (-1,)


def _numbers(status: os.stat_result, kind: str) -> Stamp:
    same = status.st_mode, status.st_ino, status.st_dev
    folder = kind != WHOLE and stat.S_ISDIR(status.st_mode)
    if kind == ENTRY:
        return *same, 0 if folder else status.st_size
    return same if folder else (*same, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.cache
def boot_id() -> str:
    """Return the id of this boot (random(4)); empty if the system has none.

    A disk may wake up in another machine with the same stamps, or without what was not flushed to it.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def latest(stamps: Iterable[Stamp]) -> int:
    """Return the last change of whole paths, in ns; 0 if none has a time."""
    whole = (numbers[at + 4 : at + 6] for numbers in stamps for at in range(0, len(numbers), 6))
    return max((time for times in whole for time in times), default=0)


def digest(paths: Mapping[str, Iterable[str]]) -> str:
    """Return one digest of the present stamps of paths, by kind."""
    stamps: list[Stamp] = []
    add = stamps.append
    for path in paths[WHOLE]:  # thousands, in every run: written out
        try:
            status = _lstat(path)
        except OSError as error:
            add((error.errno or -1,))
            continue
        mode = status.st_mode
        times = status.st_mtime_ns, status.st_ctime_ns
        add((mode, status.st_ino, status.st_dev, status.st_size, *times))
        if stat.S_ISLNK(mode):
            add(unrecorded(path))
    stamps += [unrecorded(path, kind) for kind in (ENTRY, PLACE) for path in paths[kind]]
    return _digest_of(stamps)


def below(root: Path) -> tuple[str, int]:
    """Return one digest of the stamps of all that is below a directory, and its last change in ns.

    Directories count by their names. Raises ``OSError`` for a file that is removed meanwhile.
    """
    found: dict[str, Stamp] = {}
    for path, entry in entries_below(root):
        is_folder = entry.is_dir(follow_symlinks=False)
        found[path] = () if is_folder else _numbers(entry.stat(follow_symlinks=False), WHOLE)
    return _digest_of(sorted(found.items())), latest(found.values())


def _digest_of(stamps: list[Any]) -> str:
    return hashlib.sha256(marshal.dumps(stamps, 2)).hexdigest()  # 2: without references
