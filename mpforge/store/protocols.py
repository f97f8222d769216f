"""The store's interface for steps and sessions; ``store.local``, on this machine's disk, implements it.

Digests are sha256 in hexadecimal digits. For a missing or damaged entry a store raises ``Damaged``: its
caller makes it again.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory, FileNode


class BlobStore(Protocol):
    """Content by its digest: files, and trees of them."""

    def put_bytes(self, data: bytes, *, private: bool = False) -> str:
        """Store bytes and return their digest. ``private`` ones are removed when this process ends."""

    def put_file(self, path: Path) -> FileNode:
        """Store a copy of a file as it is now; the hashed bytes are the copied ones."""

    def put_directory(
        self,
        root: Path,
        paths: Iterable[str] | None = None,
        *,
        packed: bool = False,
        private: bool = False,
        elsewhere: Mapping[str, Path] | None = None,
    ) -> Directory:
        """Store a directory (or only ``paths`` of it, relative) and its files; return the tree.

        Some of the files may be ``elsewhere``. The files of a ``packed`` one can't be read by their digests.
        """

    def put_tree(self, tree: Directory) -> str:
        """Store the directories of a tree whose files are stored; return the tree's digest."""

    def read(self, digest: str) -> bytes:
        """Return a blob's verified bytes. Raises ``Damaged``."""

    def text(self, tree: Directory, path: str) -> str | None:
        """Return the text of a stored tree's file, or None if it has no such file. Raises ``Damaged``."""

    def copy_out(self, digest: str, destination: Path, *, executable: bool = False) -> None:
        """Write a blob's verified bytes to a new file. Raises ``Damaged``; no file is left then."""

    def tree(self, digest: str) -> Directory:
        """Return a stored tree. Raises ``Damaged``."""

    def check(self, tree: Directory) -> None:
        """Raise ``Damaged`` if a file of the tree is missing or of another size."""

    def restore(self, tree: Directory, destination: Path) -> None:
        """Write a tree's verified files below ``destination``, made if need be. Raises ``Damaged``."""


class ActionCache(Protocol):
    """Results of actions by their key."""

    def find(self, key: str) -> ActionResult | None:
        """Return the result stored under a key, or None. Raises ``Damaged`` for an unreadable entry."""

    def keep(self, result: ActionResult) -> None:
        """Store a result; its blobs and trees must be stored already."""

    def forget(self, key: str) -> None:
        """Remove a key's result, if it exists."""


class SessionStore(BlobStore, ActionCache, Protocol):
    """The store of a session: content by digest, results by key, work directories for steps."""

    def listen(self, tell: Callable[[str], None]) -> None:
        """Report problems of the store to ``tell`` from now on, each once."""

    def use(self, name: str, *, at_once: bool = False) -> None:
        """Protect a result (``action KEY``) or a tool (``tool NAME``) from garbage collection meanwhile."""

    def alone(self, key: str, waits: Callable[[], None]) -> AbstractContextManager[object]:
        """Hold the lock of a key: one process runs the step, the others wait and then find its result."""

    def work_directory(self) -> Path:
        """Create an empty directory for a step; the caller removes it."""

    def give_up(self, why: str) -> bool:
        """Keep everything for this process only from now on. Returns False if that was so already."""
