"""Checking a whole store: every blob and pack by its content, every result by what it needs.

What is damaged is removed, so that it is made again when it is needed; what is not the store's is named and
left alone. Knows nothing of tools.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import Damaged
from mpforge.store.collection import KINDS, files_of, references
from mpforge.store.files import hash_file
from mpforge.store.local import Store
from mpforge.store.shelf import LAYOUT_FILE, Kind, Shelf, copied

_NAME = re.compile(r"[0-9a-f]{64}(\.json)?")
_OWN = {*KINDS, "locks", "work", LAYOUT_FILE}


@dataclass(frozen=True)
class Finding:
    """Something in a store that is not right; ``removed`` says what became of it."""

    path: Path
    what: str
    removed: bool


def findings(root: Path) -> Iterator[Finding]:
    """All that is wrong below a store's root; blobs first, then what needs them."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.name not in _OWN and not path.name.startswith("fingerprints"):
            yield Finding(path, "is not the store's", removed=False)
    shelf = Shelf(root)
    checks: dict[Kind, Callable[[Path], str | None]] = {
        "blobs": _blob_problem,
        "packs": lambda path: _pack_problem(path, Store(root)),
        "actions": lambda path: _result_problem(path, shelf),
    }
    for kind, check in checks.items():
        for path in files_of(root, kind):
            finding = _checked(path, shelf, kind, check)
            if finding is not None:
                yield finding


def _checked(
    path: Path, shelf: Shelf, kind: Kind, check: Callable[[Path], str | None]
) -> Finding | None:
    name = path.name.removesuffix(".json")
    if not _NAME.fullmatch(path.name) or path != shelf.place(kind, name) or not path.is_file():
        return Finding(path, "is not the store's", removed=False)
    try:
        problem = check(path)
    except FileNotFoundError:  # collected meanwhile
        return None
    except OSError as error:
        return Finding(path, f"can't be read ({error.strerror})", removed=False)
    if problem is None:
        return None
    with contextlib.suppress(OSError):
        path.unlink()
    return Finding(path, problem, removed=not path.exists())


def _blob_problem(path: Path) -> str | None:
    return None if hash_file(path).digest == path.name else "its content is not what its name says"


def _pack_problem(path: Path, store: Store) -> str | None:
    try:
        tree = store.tree(path.name)
    except Damaged:
        return "the list of its files is gone or damaged"
    with path.open("rb", buffering=0) as pack:
        for name, node in tree.walk():
            if isinstance(node, str):
                continue
            if copied(pack, None, node.size) != (node.digest, node.size):
                return f"{name} in it is not what its digest says"
        return "it has more than its files" if pack.read(1) else None


def _result_problem(path: Path, shelf: Shelf) -> str | None:
    try:
        needed = references(shelf.root, path.stem)
    except FileNotFoundError:
        return "a list of its files is gone" if path.exists() else None
    except ValueError as error:
        return f"it can't be understood ({error})"
    gone = [thing for thing in sorted(needed) if not shelf.place(*thing).exists()]
    return f"{gone[0][0][:-1]} {gone[0][1][:12]} is gone" if gone else None
