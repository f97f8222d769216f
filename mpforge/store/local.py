"""The local store: blobs by sha256, trees of them, results of actions by key.

Its layout is in docs/architecture.md, "The store on disk".

A fault of the file system costs at most a rebuild: entries that can't be written go to a private store of
this process, with one warning that names the cause; entries that can't be read, or don't match their digest,
are misses. Any number of processes may use a store at once. Knows nothing of what an action does.
"""

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from io import RawIOBase
from pathlib import Path
from typing import TypeVar

from mpforge.errors import Damaged
from mpforge.store.copies import Copies, write_tree
from mpforge.store.directory_backend import (
    Batch,
    Kind,
    Shelf,
    Unreadable,
    copied,
    layout_problem,
    touch,
)
from mpforge.store.files import files_below, regular
from mpforge.store.locks import alone
from mpforge.store.process_homes import private_directory
from mpforge.store.results import ActionResult, NewerResult, from_bytes, to_bytes
from mpforge.store.trees import Directory, FileNode, from_entries

T = TypeVar("T")


@functools.cache
def opened(root: Path) -> "Store":
    """Return this process's one store at ``root``, shared by all sessions of a run."""
    return Store(root)


class Store:
    """The store at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tell: Callable[[str], None] | None = None
        self._told: dict[str, bool] = {}
        self._bad: set[str] = set()
        self._used: set[str] = set()
        self._given_up = False
        self._found_damage = False
        self._copies = Copies()

    def listen(self, tell: Callable[[str], None]) -> None:
        """Report problems of the store to ``tell`` from now on, each once."""
        self._tell = tell
        for message in [text for text, told in self._told.items() if not told]:
            self._warn(message)

    def _warn(self, message: str) -> None:
        if not self._told.get(message):
            self._told[message] = self._tell is not None
            if self._tell is not None:
                self._tell(message)

    # --- where things are ----------------------------------------------------------------------

    @functools.cached_property
    def _main(self) -> Shelf | None:
        """The store itself, unless it is another version's."""
        problem = layout_problem(self.root)
        if problem is not None:
            self._warn(f"the store is not used: {problem}")
        return Shelf(self.root) if problem is None else None

    @functools.cached_property
    def _private(self) -> Shelf:
        """The private shelf of this process, removed at its end."""
        return Shelf(private_directory() / "store")

    def _shelves(self, name: str) -> Iterator[Shelf]:
        """Yield the shelves to search for an entry; a known bad one is not read from the store."""
        if "_private" in self.__dict__:
            yield self._private
        if self._main is not None and name not in self._bad:
            yield self._main

    def _writing(self, write: Callable[[Shelf], T], *, private: bool = False) -> T:
        """Write to the store; if that fails, to a private one from now on."""
        if private or self._main is None or self._given_up:
            return write(self._private)
        try:
            _ = self._main.home  # garbage collection keeps what is touched from now on
            return write(self._main)
        except OSError as error:
            if isinstance(error, Unreadable) or not self._is_ours(error.filename):
                raise  # the content to be stored is at fault
            self.give_up(error.strerror or str(error))
            return write(self._private)

    def _adding(self, add: Callable[[Batch], T], *, private: bool = False) -> T:
        """Add entries to the store; if that fails, to a private one from now on."""

        def write(shelf: Shelf) -> T:
            with shelf.adding() as batch:
                return add(batch)

        return self._writing(write, private=private)

    def _is_ours(self, name: str | bytes | None) -> bool:
        return name is None or Path(os.fsdecode(name)).is_relative_to(self.root)

    def give_up(self, why: str) -> bool:
        """Write everything to a private store from now on, which ends with this process.

        Returns False if that was so already.
        """
        first = self._main is not None and not self._given_up
        self._given_up = True
        if first:
            self._warn(f"the store at {self.root} can't be written ({why}); nothing new is kept")
        return first

    def work_directory(self) -> Path:
        """Create an empty directory for a step; the caller removes it."""

        def make(shelf: Shelf) -> Path:
            shelf.home.use(*self._used)
            return shelf.home.directory()

        return self._writing(make)

    def alone(self, key: str, waits: Callable[[], None]) -> AbstractContextManager[object]:
        """Hold the lock of a key: one process runs the step, the others wait and then find its result."""
        if self._main is None:
            return contextlib.nullcontext()
        return alone(self.root / "locks" / key, waits=waits, warn=self._warn)

    def use(self, name: str, *, at_once: bool = False) -> None:
        """Protect an entry from garbage collection while this process runs.

        If this process has written nothing yet, this takes effect with its first step, or ``at_once``.
        """
        self._used.add(name)
        if self._main is not None and (at_once or "home" in self._main.__dict__):
            with contextlib.suppress(OSError):
                self._main.home.use(name)

    # --- blobs ---------------------------------------------------------------------------------

    def put_bytes(self, data: bytes, *, private: bool = False) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        self._adding(lambda batch: self._add_blob(batch, digest, data), private=private)
        return digest

    def put_file(self, path: Path) -> FileNode:
        """Store a copy of a file as it is now; the hashed bytes are the copied ones."""
        node = self._adding(lambda batch: self._add_file(batch, path))
        self._bad.discard(node.digest)
        return node

    def _add_blob(self, batch: Batch, digest: str, data: bytes) -> None:
        if not self._is_stored(batch.shelf, digest, len(data)):
            batch.add_bytes("blobs", digest, data)
            self._bad.discard(digest)

    def _add_file(self, batch: Batch, path: Path) -> FileNode:
        return batch.add_file(path, functools.partial(self._is_stored, batch.shelf))

    def _is_stored(self, shelf: Shelf, digest: str, size: int) -> bool:
        """Return whether a blob need not be written. After one damaged blob, sizes no longer suffice."""
        return (
            not self._found_damage and digest not in self._bad and shelf.has("blobs", digest, size)
        )

    def text(self, tree: Directory, path: str) -> str | None:
        """Return the text of a stored tree's file, or None if it has no such file. Raises ``Damaged``."""
        node = tree.get(path)
        return None if node is None else self.read(node.digest).decode("utf-8", "replace")

    def read(self, digest: str) -> bytes:
        """Return a blob's verified bytes. Raises ``Damaged``; a bad blob is removed then."""
        with self._opened("blobs", digest) as blob:
            try:
                data: bytes = blob.readall()
            except OSError:
                raise self._damaged("blobs", digest) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged("blobs", digest)
        return data

    def copy_out(self, digest: str, destination: Path, *, executable: bool = False) -> None:
        """Write a blob's verified bytes to a new file. Raises ``Damaged``; no file is left then."""
        with self._opened("blobs", digest) as blob:
            node = FileNode(digest, os.fstat(blob.fileno()).st_size, executable)
            if not self._copies.write(blob, node, destination):
                raise self._damaged("blobs", digest)

    @contextlib.contextmanager
    def _opened(self, kind: Kind, name: str) -> Iterator[RawIOBase]:
        """Open a blob or pack. Raises ``Damaged`` if it is missing or unreadable."""
        file, why = None, "is gone"
        for shelf in self._shelves(name):
            try:
                file = regular(shelf.place(kind, name))
                break
            except FileNotFoundError:
                continue
            except OSError as error:
                why = f"can't be read ({error.strerror})"
        if file is None:
            self._bad.add(name)
            raise Damaged(f"{kind[:-1]} {name[:12]} of the store {why}")
        with file:
            yield file

    def _damaged(self, kind: Kind, name: str) -> Damaged:
        """Remove an entry with wrong content; it is not trusted again even if that fails."""
        for shelf in self._shelves(name):
            with contextlib.suppress(OSError):
                shelf.place(kind, name).unlink()
        self._bad.add(name)
        self._found_damage = True
        return Damaged(f"{kind[:-1]} {name[:12]} of the store was damaged and is not used")

    # --- trees ---------------------------------------------------------------------------------

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

        Some of them may be ``elsewhere``.
        A ``packed`` one is stored as one file, which is quicker for many small files: its files can't be
        read by their digests. A ``private`` one is gone when this process ends.
        """
        chosen = paths if paths is not None else files_below(root)
        # Sorted as a tree's files are walked: a pack has them in this order.
        ordered = sorted(chosen, key=lambda path: path.split("/"))
        places = {path: (elsewhere or {}).get(path) or root / path for path in ordered}
        put = self._put_packed if packed else self._put_files
        tree = self._adding(lambda batch: put(batch, places), private=private)
        self._bad.discard(tree.digest())
        for _, node in tree.walk():
            if isinstance(node, FileNode):
                self._bad.discard(node.digest)
        return tree

    def _put_files(self, batch: Batch, places: Mapping[str, Path]) -> Directory:
        tree = _tree_of(places, functools.partial(self._add_file, batch))
        self._add_tree(batch, tree)
        return tree

    def _put_packed(self, batch: Batch, places: Mapping[str, Path]) -> Directory:
        with batch.writing() as (pack, put):

            def add(place: Path) -> FileNode:
                with place.open("rb", buffering=0) as file:
                    executable = bool(os.fstat(file.fileno()).st_mode & 0o111)
                    return FileNode(*copied(file, pack), executable)

            tree = _tree_of(places, add)
            put("packs", tree.digest())
        self._add_tree(batch, tree)
        return tree

    def put_tree(self, tree: Directory) -> str:
        """Store the directories of a tree whose files are stored; return the tree's digest."""
        self._adding(lambda batch: self._add_tree(batch, tree))
        return tree.digest()

    def _add_tree(self, batch: Batch, tree: Directory) -> None:
        for directory in tree.directories_below():
            self._add_blob(batch, directory.digest(), directory.canonical())

    def tree(self, digest: str) -> Directory:
        """Read a tree back. Raises ``Damaged``."""
        try:
            return Directory.from_canonical(self.read(digest), self.tree)
        except ValueError:
            raise Damaged(f"{digest[:12]} is not a directory") from None

    def check(self, tree: Directory) -> None:
        """Raise ``Damaged`` if a file of the tree is missing or of another size.

        Content is checked when it is read.
        """
        if self._has("packs", tree.digest(), tree.size()):
            return
        for _, node in tree.walk():
            if isinstance(node, FileNode) and not self._has("blobs", node.digest, node.size):
                self._bad.add(node.digest)
                raise Damaged(f"blob {node.digest[:12]} of the store is missing or damaged")

    def _has(self, kind: Kind, name: str, size: int) -> bool:
        return any(shelf.has(kind, name, size) for shelf in self._shelves(name))

    def restore(self, tree: Directory, destination: Path) -> None:
        """Write a tree's verified files below ``destination``, made if need be. Raises ``Damaged``."""
        if self._has("packs", tree.digest(), tree.size()):
            with self._opened("packs", tree.digest()) as pack:
                write_tree(tree, destination, functools.partial(self._unpack, tree, pack))
        else:
            write_tree(tree, destination, self._copy_node)

    def _copy_node(self, node: FileNode, place: Path) -> None:
        self.copy_out(node.digest, place, executable=node.executable)

    def _unpack(self, tree: Directory, pack: RawIOBase, node: FileNode, place: Path) -> None:
        if not self._copies.write(pack, node, place):
            raise self._damaged("packs", tree.digest())

    # --- results -------------------------------------------------------------------------------

    def find(self, key: str) -> ActionResult | None:
        """Return the result stored under a key, or None. Raises ``Damaged`` for an unreadable entry.

        One of a newer mpforge is left as it is.
        """
        self.use(f"action {key}")
        for shelf in self._shelves(key):
            place = shelf.place("actions", key)
            try:
                status = place.stat()
                if not stat.S_ISREG(status.st_mode):
                    continue
                data, used = place.read_bytes(), status.st_mtime
            except FileNotFoundError:
                continue
            except OSError as error:
                self._warn(f"results in {self.root} can't be read ({error.strerror})")
                continue
            try:
                result = from_bytes(data, key)
            except NewerResult as error:
                self._bad.add(key)
                raise Damaged(str(error)) from None
            except ValueError:
                self.forget(key)
                raise Damaged(f"the entry of {key[:12]} was damaged and is not used") from None
            touch(place, used, shelf.begun)
            return result
        return None

    def keep(self, result: ActionResult) -> None:
        """Store a result; its blobs and trees must be stored already."""
        data = to_bytes(result)
        self.use(f"action {result.key}")
        self._adding(lambda batch: batch.add_bytes("actions", result.key, data))
        self._bad.discard(result.key)

    def forget(self, key: str) -> None:
        """Remove a key's result, if it exists; it is not trusted again even if that fails."""
        for shelf in self._shelves(key):
            with contextlib.suppress(OSError):
                shelf.place("actions", key).unlink()
        self._bad.add(key)


def _tree_of(places: Mapping[str, Path], add: Callable[[Path], FileNode]) -> Directory:
    """Return the tree of symlinks and of files, each stored by ``add``."""
    return from_entries(
        {
            path: os.readlink(place) if place.is_symlink() else add(place)
            for path, place in places.items()
        }
    )
