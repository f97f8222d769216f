"""The local store: blobs by sha256, directories as blobs, action results by key.

Layout under the root: ``blobs/ab/<sha256>``, ``actions/ab/<key>.json``, ``locks/``, ``work/``. Everything is
written to a temporary file, flushed to disk and renamed: a crash leaves garbage, never half an entry.
Blobs are verified when read. This module knows nothing of what an action does.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mpforge.errors import Damaged
from mpforge.store.files import files_below, write_atomically
from mpforge.store.trees import Directory, FileNode, from_entries

SCHEMA = 1
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ActionResult:
    """What a successful step gave: its output tree, its log's digest, what it found out, its cost.

    ``facts`` are small texts by name (the machine that answered, requirements a hook asked for).
    """

    key: str
    tree: str
    log: str
    facts: Mapping[str, str] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    finished: str = ""


class Store:
    """A store at ``root``; any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- blobs ---------------------------------------------------------------------------------

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / digest[:2] / digest

    def put_bytes(self, data: bytes) -> str:
        """Store bytes; their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._blob(digest).exists():
            write_atomically(self._blob(digest), data)
        return digest

    def put_file(self, path: Path) -> FileNode:
        """Store a copy of a file as it is now; what was copied is what was hashed."""
        folder = self.root / "blobs"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as copy, path.open("rb") as original:
                sha = hashlib.sha256()
                size = 0
                while chunk := original.read(_CHUNK):
                    sha.update(chunk)
                    copy.write(chunk)
                    size += len(chunk)
                executable = bool(os.fstat(original.fileno()).st_mode & 0o111)
                copy.flush()
                os.fchmod(copy.fileno(), 0o644)
                os.fsync(copy.fileno())
            place = self._blob(sha.hexdigest())
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(name, place)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        return FileNode(sha.hexdigest(), size, executable)

    def read(self, digest: str) -> bytes:
        """A blob's verified bytes. Raises ``Damaged``; a bad blob is removed then."""
        try:
            data = self._blob(digest).read_bytes()
        except OSError as error:
            raise Damaged(f"blob {digest[:12]} can't be read: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != digest:
            with contextlib.suppress(OSError):
                self._blob(digest).unlink()
            raise Damaged(f"blob {digest[:12]} was damaged and has been removed")
        return data

    def copy_out(self, digest: str, destination: Path, *, executable: bool = False) -> None:
        """Write a blob's verified bytes to a new file. Raises ``Damaged``; no file is left then."""
        sha = hashlib.sha256()
        mode = 0o755 if executable else 0o644
        try:
            with self._blob(digest).open("rb") as blob:
                descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                with os.fdopen(descriptor, "wb") as copy:
                    while chunk := blob.read(_CHUNK):
                        sha.update(chunk)
                        copy.write(chunk)
                    os.fchmod(copy.fileno(), mode)
        except FileNotFoundError:
            raise Damaged(f"blob {digest[:12]} is gone") from None
        if sha.hexdigest() != digest:
            destination.unlink()
            with contextlib.suppress(OSError):
                self._blob(digest).unlink()
            raise Damaged(f"blob {digest[:12]} was damaged and has been removed")

    # --- trees ---------------------------------------------------------------------------------

    def put_directory(self, root: Path, paths: Iterator[str] | None = None) -> Directory:
        """Store a directory (or only ``paths`` of it, relative) and its files; the tree."""
        chosen = sorted(paths) if paths is not None else list(files_below(root))
        entries: dict[str, FileNode | str] = {}
        for path in chosen:
            full = root / path
            entries[path] = os.readlink(full) if full.is_symlink() else self.put_file(full)
        tree = from_entries(entries)
        self.put_tree(tree)
        return tree

    def put_tree(self, tree: Directory) -> str:
        """Store the directories of a tree whose files are stored; the tree's digest."""
        for child in tree.directories.values():
            self.put_tree(child)
        return self.put_bytes(tree.canonical())

    def tree(self, digest: str) -> Directory:
        """Read a tree back. Raises ``Damaged``."""
        try:
            data = json.loads(self.read(digest))
            return Directory(
                files={n: FileNode(d, size, x) for n, d, size, x in data["files"]},
                directories={n: self.tree(d) for n, d in data["directories"]},
                symlinks=dict(data["symlinks"]),
            )
        except (ValueError, KeyError, TypeError):
            raise Damaged(f"{digest[:12]} is no directory") from None

    def check(self, tree: Directory) -> None:
        """Raise ``Damaged`` where a file of the tree has no blob; their content is checked when read."""
        for _, node in tree.walk():
            if not isinstance(node, str) and not self._blob(node.digest).is_file():
                raise Damaged(f"blob {node.digest[:12]} is gone")

    def restore(self, tree: Directory, destination: Path) -> None:
        """Write a tree's verified files below ``destination``, made if need be. Raises ``Damaged``."""
        destination.mkdir(parents=True, exist_ok=True)
        for name, child in tree.directories.items():
            self.restore(child, destination / name)
        for name, node in tree.files.items():
            self.copy_out(node.digest, destination / name, executable=node.executable)
        for name, target in tree.symlinks.items():
            (destination / name).symlink_to(target)

    # --- actions -------------------------------------------------------------------------------

    def _action(self, key: str) -> Path:
        return self.root / "actions" / key[:2] / f"{key}.json"

    def find(self, key: str) -> ActionResult | None:
        """The result stored under a key, or None. Raises ``Damaged`` for an unreadable entry."""
        try:
            text = self._action(key).read_text(encoding="utf-8")
        except OSError:
            return None
        try:
            return _result(json.loads(text), key)
        except (ValueError, KeyError, TypeError):
            self.forget(key)
            raise Damaged(f"the entry of {key[:12]} was damaged and has been removed") from None

    def keep(self, result: ActionResult) -> None:
        """Store a result; its blobs and trees must be stored already."""
        data = {"schema": SCHEMA, **asdict(result)}
        write_atomically(self._action(result.key), json.dumps(data, indent=1).encode())

    def forget(self, key: str) -> None:
        """Remove a key's result, if there is one."""
        with contextlib.suppress(OSError):
            self._action(key).unlink()

    def work_directory(self) -> Path:
        """A new empty directory for a step; its owner removes it."""
        folder = self.root / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder))


def _result(data: Any, key: str) -> ActionResult:
    if not isinstance(data, dict) or data.pop("schema") != SCHEMA or data["key"] != key:
        raise ValueError(f"not the result of {key}")
    return ActionResult(**data)
