"""The files that an interpreter can import besides its own library, by their origin.

A directory's files count by content, listed in a record or not; links are followed. An editable
installation counts with its project's whole directory: its module may be found there by a hook that only
Python understands, or be built there as it is imported. Knows nothing of keys.
"""

import csv
import json
import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.sources.project import OWN_FILES, TOOLS_FOLDERS

if TYPE_CHECKING:
    from importlib.metadata import Distribution


Content = tuple[tuple[str, str], ...]
"""Files of one origin: each one's name, which is not an absolute path, and its place."""


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
