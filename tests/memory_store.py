"""A store in memory, for tests: ``mpforge.store.protocols.SessionStore`` without a disk but for work."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.errors import Damaged
from mpforge.store.files import files_below
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory, FileNode, from_entries


class MemoryStore:
    """Blobs and results in two dictionaries; ``scratch`` has the steps' directories."""

    def __init__(self, scratch: Path) -> None:
        self.blobs: dict[str, bytes] = {}
        self.results: dict[str, ActionResult] = {}
        self._scratch = scratch

    def put_bytes(self, data: bytes, *, private: bool = False) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def put_file(self, path: Path) -> FileNode:
        data = path.read_bytes()
        return FileNode(self.put_bytes(data), len(data), bool(path.stat().st_mode & 0o111))

    def put_directory(
        self,
        root: Path,
        paths: Iterable[str] | None = None,
        *,
        packed: bool = False,
        private: bool = False,
        elsewhere: Mapping[str, Path] | None = None,
    ) -> Directory:
        entries: dict[str, FileNode | str] = {}
        for path in files_below(root) if paths is None else paths:
            full = (elsewhere or {}).get(path) or root / path
            entries[path] = os.readlink(full) if full.is_symlink() else self.put_file(full)
        tree = from_entries(entries)
        self.put_tree(tree)
        return tree

    def put_tree(self, tree: Directory) -> str:
        for child in tree.directories.values():
            self.put_tree(child)
        return self.put_bytes(tree.canonical())

    def read(self, digest: str) -> bytes:
        if digest not in self.blobs:
            raise Damaged(f"blob {digest[:12]} of the store is gone")
        return self.blobs[digest]

    def text(self, tree: Directory, path: str) -> str | None:
        node = tree.get(path)
        return None if node is None else self.read(node.digest).decode("utf-8", "replace")

    def copy_out(self, digest: str, destination: Path, *, executable: bool = False) -> None:
        data = self.read(digest)
        with destination.open("xb") as file:
            file.write(data)
        destination.chmod(0o755 if executable else 0o644)

    def tree(self, digest: str) -> Directory:
        try:
            return Directory.from_canonical(self.read(digest), self.tree)
        except ValueError:
            raise Damaged(f"{digest[:12]} is not a directory") from None

    def check(self, tree: Directory) -> None:
        for _, node in tree.walk():
            if isinstance(node, FileNode):
                self.read(node.digest)

    def restore(self, tree: Directory, destination: Path) -> None:
        destination.mkdir(parents=True, exist_ok=True)
        for path, node in tree.walk():
            place = destination / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(node, str):
                place.symlink_to(node)
            else:
                self.copy_out(node.digest, place, executable=node.executable)

    def find(self, key: str) -> ActionResult | None:
        return self.results.get(key)

    def keep(self, result: ActionResult) -> None:
        self.results[result.key] = result

    def forget(self, key: str) -> None:
        self.results.pop(key, None)

    def listen(self, tell: Callable[[str], None]) -> None:
        """There is nothing that could be wrong."""

    def use(self, name: str, *, at_once: bool = False) -> None:
        """Nobody collects anything."""

    def alone(self, key: str, waits: Callable[[], None]) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    def work_directory(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def give_up(self, why: str) -> bool:
        return False
