"""A digest of the files that an interpreter of this host imports besides a build's own packages.

It covers all files below the directories of its path: modules, extension modules, a zip, ``sitecustomize``
anywhere in them; links are followed. Compiled files do not count. A digest is remembered while the size, the
times and the inode of each file are unchanged. Knows nothing of keys.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mpforge.obtain.pythons.importable_files import of_folder
from mpforge.processes import capture
from mpforge.store.file_digests import FileDigests, Tree, is_old
from mpforge.store.files import hash_file

_PATH = "import json, sys; print(json.dumps([p for p in sys.path if p]))"
_ASKING_SECONDS = 60.0
# An environment has its own packages instead of these; nothing imports the test suite.
_UNSEEN = ("site-packages", "dist-packages", "test")


def of_builds(path: Sequence[str], digests: FileDigests) -> str:
    """Return the digest of the files that an interpreter's environments import from it.

    ``path`` is its path without site.
    """
    key = "\n".join(path)
    known = digests.tree(key)
    found = _Look(path, _UNSEEN)
    if known is not None and known.stamp == found.stamp:
        return known.digest
    return _read(key, path, found, digests)


def of_program(program: str, digests: FileDigests) -> str:
    """Return the digest of all files that an interpreter imports when run directly, its packages too.

    Empty for a program that does not answer as a Python.
    """
    real = os.path.realpath(program)
    known = digests.tree(real)
    if known is not None and known.stamp == _Look(known.folders, ()).stamp:
        return known.digest
    path = _path_of(real)
    return _read(real, path, _Look(path, ()), digests) if path else ""


class _Look:
    """The files of an interpreter's path, a digest of their ``stat`` data, the latest change in ns."""

    def __init__(self, path: Sequence[str], unseen: Sequence[str]) -> None:
        self.files: list[tuple[str, str]] = []
        self.latest = 0
        seen = hashlib.sha256()
        for name, place in _files(path, unseen):
            try:
                status = os.stat(place)
            except OSError:  # a dangling link, or removed meanwhile
                continue
            self.files.append((name, place))
            changed, ctime = status.st_mtime_ns, status.st_ctime_ns
            self.latest = max(self.latest, changed, ctime)
            row = f"{name} {status.st_size} {changed} {ctime} {status.st_ino} {status.st_dev}\n"
            seen.update(row.encode("utf-8", "surrogateescape"))
        self.stamp = seen.hexdigest()


def _files(path: Sequence[str], unseen: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the files of a path, each directory once, with names that don't depend on its place."""
    for number, folder in enumerate(path):
        if any(Path(folder).is_relative_to(other) for other in path[:number]):
            continue
        for name, place in of_folder(Path(folder), unseen=unseen):
            yield f"{number}/{name}", place


def _read(key: str, path: Sequence[str], found: _Look, digests: FileDigests) -> str:
    """Digest the files, and remember it unless one is so new that a later edit might not show."""
    whole = hashlib.sha256()
    for name, place in found.files:
        content = hash_file(Path(place)).digest
        whole.update(f"{name} {content}\n".encode("utf-8", "surrogateescape"))
    digest = whole.hexdigest()
    if is_old(found.latest):
        digests.keep_tree(key, Tree([*path], found.stamp, digest))
    return digest


def _path_of(program: str) -> list[str]:
    answer = capture([program, "-I", "-B", "-c", _PATH], timeout=_ASKING_SECONDS)
    try:
        found = json.loads(answer.stdout) if answer.returncode == 0 else []
    except ValueError:
        return []
    return [str(word) for word in found] if isinstance(found, list) else []
