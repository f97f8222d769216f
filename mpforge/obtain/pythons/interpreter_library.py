"""The files that an interpreter of this host can import, by their origin, and digests of them.

A directory's files count by content, listed in a record or not: modules, extension modules, a zip,
``sitecustomize`` anywhere in them; links are followed, and compiled files do not count. An editable
installation counts with its project's whole directory: its module may be found there by a hook that only
Python understands, or be built there as it is imported. A digest is remembered while the size, the times and
the inode of each file are unchanged. Knows nothing of keys.
"""

import csv
import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mpforge.processes import capture
from mpforge.sources.project import OWN_FILES, TOOLS_FOLDERS
from mpforge.store import stamps
from mpforge.store.file_digests import FileDigests, Tree, is_old
from mpforge.store.files import digest_of_files

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_PATH = "import json, sys; print(json.dumps([p for p in sys.path if p]))"
_ASKING_SECONDS = 60.0
# An environment has its own packages instead of these; nothing imports the test suite.
_UNSEEN = ("site-packages", "dist-packages", "test")

Content = tuple[tuple[str, str], ...]
"""The files of one origin: the relative name and the path of each."""


def of_distribution(found: "Distribution", there: Container[str]) -> Content:
    """Return the existing files of a distribution's RECORD, programs of ``bin`` included.

    ``there`` are files known to exist.
    """
    site = str(found.locate_file(""))
    rows = csv.reader((found.read_text("RECORD") or "").splitlines())
    names = sorted({row[0] for row in rows if row and "__pycache__" not in row[0]})
    places = ((name, os.path.normpath(os.path.join(site, name))) for name in names)
    return tuple((n, place) for n, place in places if place in there or os.path.isfile(place))


def of_folder(root: Path, *, project: bool = False, unseen: Iterable[str] = ()) -> Content:
    """Return all files below a directory, or a file in its place (an egg).

    ``project``: without the files that mpforge and git write at the top of a project; ``unseen`` are
    other names at the top to leave out.
    """
    if root.is_file():
        return ((root.name, str(root)),)
    passed_by = {*unseen, *(OWN_FILES if project else ())}
    return tuple(_below(str(root), "", passed_by, {os.path.realpath(root)}))


def editable(found: "Distribution") -> Path | None:
    """Return the project directory of an editable installation (PEP 660, by PEP 610's direct_url.json)."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # late: it imports all of HTTP

    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
        address = urlsplit(told["url"])
        is_editable = told["dir_info"]["editable"]
    except (ValueError, KeyError, TypeError):
        return None
    root = Path(url2pathname(address.path))
    return root if is_editable and address.scheme == "file" and root.is_dir() else None


def without(content: Content, others: Iterable[Content]) -> Content:
    """Return the files that are in none of the others."""
    known = {place for other in others for _, place in other}
    return tuple((name, place) for name, place in content if place not in known)


def _below(
    folder: str, under: str, passed_by: set[str], above: set[str]
) -> Iterator[tuple[str, str]]:
    """Yield names and places, sorted in each directory. ``above`` are this directory's real parents."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:  # what can't be listed can't be imported
        return
    for entry in entries:
        name = f"{under}{entry.name}"
        if entry.name in passed_by or entry.name in TOOLS_FOLDERS:  # nothing is imported from these
            continue
        if entry.is_file():
            yield name, entry.path
        elif entry.is_dir() and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
            inner = above
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                if real in above:
                    continue
                inner = {*above, real}
            yield from _below(entry.path, f"{name}/", set(), inner)


# --- digests ----------------------------------------------------------------------------------


def of_builds(path: Sequence[str], digests: FileDigests, *, without: str = "") -> str:
    """Return the digest of the files that an interpreter's environments import from it.

    ``path`` is its path without site; ``without`` is the name of a module that doesn't count.
    """
    key = "\n".join([*path, *([f"without {without}"] if without else [])])
    known = digests.tree(key)
    found = _look(path, (*_UNSEEN, *([f"{without}.py"] if without else [])))
    if known is not None and known.stamp == found.stamp:
        return known.digest
    return _read(key, path, found, digests)


def of_program(program: str, digests: FileDigests) -> str:
    """Return the digest of all files that an interpreter imports when run directly, its packages too.

    Empty for a program that does not answer as a Python.
    """
    real = os.path.realpath(program)
    known = digests.tree(real)
    if known is not None and known.stamp == _look(known.folders, ()).stamp:
        return known.digest
    path = _path_of(real)
    return _read(real, path, _look(path, ()), digests) if path else ""


class _Look(NamedTuple):
    """The files of an interpreter's path, a digest of their stamps, the latest change in ns."""

    files: list[tuple[str, str]]
    stamp: str
    latest: int


def _look(path: Sequence[str], unseen: Sequence[str]) -> _Look:
    found = [(file, stamps.stamp(file[1])) for file in _files(path, unseen)]
    found = [(file, numbers) for file, numbers in found if len(numbers) > 1]  # one: it has vanished
    seen = repr([(name, numbers) for (name, _), numbers in found])
    stamp = hashlib.sha256(seen.encode()).hexdigest()
    return _Look([file for file, _ in found], stamp, stamps.latest(numbers for _, numbers in found))


def _files(path: Sequence[str], unseen: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the files of a path, each directory once, with names that don't depend on its place."""
    for number, folder in enumerate(path):
        if any(Path(folder).is_relative_to(other) for other in path[:number]):
            continue
        for name, place in of_folder(Path(folder), unseen=unseen):
            yield f"{number}/{name}", place


def _read(key: str, path: Sequence[str], found: _Look, digests: FileDigests) -> str:
    """Digest the files, and remember it unless one is so new that a later edit might not show."""
    digest = digest_of_files((name, Path(place)) for name, place in found.files)
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
