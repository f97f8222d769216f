"""The entries of a store and their references: a result to its log and tree, a tree to its files.

Only names, sizes, times and lists of names are read, never the content of files. Does not decide what may
be removed.
"""

import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge.store import notes
from mpforge.store.directory_backend import Kind, Shelf
from mpforge.store.results import from_bytes

Node = tuple[str, str]
"""A kind and a name; or a tree by its digest: a ``"tree"``'s files are blobs, a ``"list"``'s in a pack."""

KINDS: tuple[Kind, ...] = ("blobs", "packs", "actions")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the store: path, size in bytes, time of last use."""

    path: str
    size: int
    last_used: float


def files(root: Path, kind: Kind) -> Iterator[tuple[os.DirEntry[str], str | None]]:
    """Yield the files in a kind's directory with their names; None for a file that is not the store's.

    Raises ``OSError`` if the directory can't be listed.
    """
    suffix = ".json" if kind == "actions" else ""
    for folder in _listed(root / kind):
        if not _FOLDER.fullmatch(folder.name) or not folder.is_dir(follow_symlinks=False):
            yield folder, None
            continue
        for entry in _listed(folder.path):
            name = entry.name.removesuffix(suffix)
            own = (
                f"{name}{suffix}" == entry.name
                and name.startswith(folder.name)
                and _NAME.fullmatch(name)
                and entry.is_file(follow_symlinks=False)
            )
            yield entry, name if own else None


def _listed(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def contents(root: Path) -> Iterator[tuple[Node, Kept]]:
    """Yield every blob, pack and result below a store's root. Raises ``OSError``."""
    for kind in KINDS:
        for entry, name in files(root, kind):
            if name is not None:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield (kind, name), Kept(entry.path, status.st_size, status.st_mtime)


class References:
    """The references of each entry of the store at ``root``, read once."""

    def __init__(self, root: Path) -> None:
        self._shelf = Shelf(root)
        self.of = functools.cache(self._of)
        self.inputs: dict[str, tuple[str, ...]] = {}
        """The keys that each result's key was computed from, for those results that were read."""

    def _of(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that a node refers to directly.

        Raises ``PermissionError`` if it can't be read, ``ValueError`` if it is damaged or missing.
        """
        kind, name = node
        try:
            if kind == "actions":
                return self._result(name)
            if kind in ("tree", "list"):
                return _directory(kind, name, notes.read(self._shelf.place("blobs", name)))
        except PermissionError:
            raise
        except OSError as error:
            raise ValueError(f"can't be read: {error.strerror}") from None
        return ()

    def _result(self, key: str) -> tuple[Node, ...]:
        result = from_bytes(notes.read(self._shelf.place("actions", key)), key)
        self.inputs[key] = result.inputs
        log = "blobs", result.log
        if self._shelf.place("packs", result.tree).exists():
            return log, ("packs", result.tree), ("list", result.tree)
        return log, ("tree", result.tree)


def _directory(kind: str, digest: str, data: bytes) -> tuple[Node, ...]:
    needed: list[Node] = [("blobs", digest)]
    try:
        entries: dict[str, Any] = json.loads(data)
        needed += [(kind, str(below)) for _, below in entries["directories"]]
        if kind == "tree":
            needed += [("blobs", str(row[1])) for row in entries["files"]]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{digest} is not a directory: {error}") from None
    return tuple(needed)
