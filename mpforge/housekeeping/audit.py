"""Check a whole store: every blob and pack by its content, every result by its references.

Damaged files are removed, so that they are made again when they are needed; files that are not the store's
are named and left alone. Knows nothing of tools.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.errors import Damaged
from mpforge.housekeeping.collection import IN_USE
from mpforge.store.directory_backend import LAYOUT_FILE, Kind, Shelf, copied
from mpforge.store.files import hash_file, regular
from mpforge.store.local import Store
from mpforge.store.references import KINDS, Node, References, files
from mpforge.store.results import NewerResult

FOREIGN = "it does not belong to mpforge"

_OWN = {*KINDS, "locks", "work", LAYOUT_FILE}

State = Literal["removed", "left", "foreign"]


@dataclass(frozen=True)
class Finding:
    """A fault, and what was done about it; foreign files are always left."""

    path: Path
    what: str
    state: State


def foreign(root: Path) -> Iterator[Path]:
    """Yield the paths that are not the store's. Raises ``OSError`` if the store can't be read."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.name not in _OWN:
            yield path
    for kind in KINDS:
        yield from (Path(entry.path) for entry, name in files(root, kind) if name is None)


def findings(root: Path) -> Iterator[Finding]:
    """Yield all faults below a store's root: damaged files first, then results that need them.

    Raises ``OSError`` if the store can't be read.
    """
    for path in foreign(root):
        yield Finding(path, FOREIGN, "foreign")
    store, needs = Store(root), _Needs(root)
    checks: dict[str, Callable[[Path], str | None]] = {
        "blobs": lambda path: content_problem(path, path.name),
        "packs": lambda path: _pack_problem(path, store),
        # Asked twice: another process may have made the missing file again meanwhile.
        "actions": lambda path: (
            needs.lack(("actions", path.stem)) and _Needs(root).lack(("actions", path.stem))
        ),
    }
    for kind in KINDS:
        for entry, name in files(root, kind):
            if name is not None and (found := checked(Path(entry.path), checks[kind])):
                yield found


def checked(path: Path, check: Callable[[Path], str | None]) -> Finding | None:
    """Check a file and remove it if it is damaged; None for a sound file or one that has vanished."""
    try:
        looked_at = os.stat(path)
        problem = check(path)
        if problem is None:
            return None
        # Another process may have replaced it with a sound one.
        if not os.path.samestat(looked_at, os.stat(path)):
            return checked(path, check)
    except FileNotFoundError:
        return None
    except NewerResult as error:
        return Finding(path, str(error), "foreign")
    except OSError as error:
        return Finding(path, f"it can't be read ({error.strerror})", "left")
    return removed(path, problem, lambda: path.unlink(missing_ok=True))


def removed(path: Path, what: str, remove: Callable[[], bool | None]) -> Finding:
    """Remove something damaged; if that fails, it is left, and the finding says why.

    ``remove`` returns False if a process uses it.
    """
    try:
        if remove() is False:
            return Finding(path, f"{what}; {IN_USE}", "left")
    except OSError as error:
        return Finding(path, f"{what}; it can't be removed ({error.strerror})", "left")
    return Finding(path, what, "removed")


def content_problem(path: Path, digest: str) -> str | None:
    """Return the defect of a file that should have this sha256, or None. Raises ``OSError``."""
    return None if hash_file(path).digest == digest else "its content does not match its digest"


def _pack_problem(path: Path, store: Store) -> str | None:
    try:
        tree = store.tree(path.name)
    except Damaged:
        _see_lists(References(store.root), ("list", path.name))
        return "the list of its files is missing or damaged"
    with regular(path) as pack:
        for name, node in tree.walk():
            if isinstance(node, str):
                continue
            if copied(pack, None, node.size) != (node.digest, node.size):
                return f"{name} in it does not match its digest"
        return "it contains data that belongs to no file" if pack.read(1) else None


def _see_lists(references: References, node: Node) -> None:
    """Raise ``PermissionError`` if a list of files exists and may not be read."""
    with contextlib.suppress(ValueError):
        for below in references.of(node):
            if below[0] == "list":
                _see_lists(references, below)


class _Needs:
    """Checks that everything a result refers to exists; shared references are looked up once."""

    def __init__(self, root: Path) -> None:
        self._shelf = Shelf(root)
        self._references = References(root)
        self.lack = functools.cache(self._lack)

    def _lack(self, node: Node) -> str | None:
        """Describe what a result, or another node, lacks; None if it is complete."""
        kind, name = node
        stored: Kind = "packs" if kind == "packs" else "blobs"
        if kind != "actions" and not self._shelf.place(stored, name).exists():
            return f"{stored[:-1]} {name[:12]} is missing"
        try:
            needed = self._references.of(node)
        except NewerResult:
            raise
        except ValueError as error:
            return f"it can't be parsed ({error})"
        return next((lack for below in needed if (lack := self.lack(below))), None)
