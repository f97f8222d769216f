"""What steps and sessions ask of a store, whatever keeps it: this machine's disk (``store.local``) today.

Digests are sha256 in hexadecimal digits. Whatever a store can't give, or gives damaged, is ``Damaged``: its
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
        """Store bytes; their digest. What is ``private`` is gone when this process ends."""

    def put_file(self, path: Path) -> FileNode:
        """Store a copy of a file as it is now; what was copied is what was hashed."""

    def put_directory(
        self,
        root: Path,
        paths: Iterable[str] | None = None,
        *,
        packed: bool = False,
        private: bool = False,
        elsewhere: Mapping[str, Path] | None = None,
    ) -> Directory:
        """Store a directory (or only ``paths`` of it, relative) and its files; the tree.

        Some of the files may be ``elsewhere``. The files of a ``packed`` one can't be read by their digests.
        """

    def put_tree(self, tree: Directory) -> str:
        """Store the directories of a tree whose files are stored; the tree's digest."""

    def read(self, digest: str) -> bytes:
        """A blob's verified bytes. Raises ``Damaged``."""

    def text(self, tree: Directory, path: str) -> str | None:
        """The text of a stored tree's file, None where there is none. Raises ``Damaged``."""

    def copy_out(self, digest: str, destination: Path, *, executable: bool = False) -> None:
        """Write a blob's verified bytes to a new file. Raises ``Damaged``; no file is left then."""

    def tree(self, digest: str) -> Directory:
        """A stored tree. Raises ``Damaged``."""

    def check(self, tree: Directory) -> None:
        """Raise ``Damaged`` where a file of the tree is not there in its size."""

    def restore(self, tree: Directory, destination: Path) -> None:
        """Write a tree's verified files below ``destination``, made if need be. Raises ``Damaged``."""


class ActionCache(Protocol):
    """Results of actions by their key."""

    def find(self, key: str) -> ActionResult | None:
        """The result stored under a key, or None. Raises ``Damaged`` for an unreadable entry."""

    def keep(self, result: ActionResult) -> None:
        """Store a result; its blobs and trees must be stored already."""

    def forget(self, key: str) -> None:
        """Remove a key's result, if there is one."""


class SessionStore(BlobStore, ActionCache, Protocol):
    """The store of a session: what it knows by digest and by key, and where its steps work."""

    def listen(self, tell: Callable[[str], None]) -> None:
        """From now on ``tell`` is given what is wrong with the store, each thing once."""

    def use(self, name: str, *, at_once: bool = False) -> None:
        """Keep a result (``action KEY``) or a tool (``tool NAME``) from being collected meanwhile."""

    def alone(self, key: str, waits: Callable[[], None]) -> AbstractContextManager[object]:
        """The lock of a key: one process runs it, the others wait and then hit."""

    def work_directory(self) -> Path:
        """A new empty directory for a step; its owner removes it."""

    def give_up(self, why: str) -> bool:
        """From now on keep everything for this process only. False where that is so already."""
