"""Packages that the spec's requirements give by a path: wheels, and directories of sources."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mpforge.errors import SourceUnreadable
from mpforge.sources import project
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.workspace import SPEC_NAME


class PathPackages:
    """What lies at paths, relative to ``base``; a directory's files are looked at once in a session."""

    def __init__(self, base: Path, store: BlobStore) -> None:
        self._base = base
        self._store = store
        self._found: dict[str, project.Files] = {}

    def wheel(self, path: str) -> Path:
        """Where a wheel is."""
        return self._base / path

    def files(self, path: str) -> Directory:
        """The source files of a directory: what git lists, or what is no tool's leftover."""
        return self._files(path).tree

    def _files(self, path: str) -> project.Files:
        if path not in self._found:
            self._found[path] = project.files(project.locate(self._base, path, SPEC_NAME))
        return self._found[path]

    def copy(self, path: str, destination: Path) -> None:
        """A directory's source files. Raises ``SourceUnreadable`` where they change meanwhile."""
        found = self._files(path)
        root, paths = (self._base / path).resolve(), [name for name, _ in found.tree.walk()]
        stored = self._store.put_directory(root, paths, elsewhere=found.elsewhere)
        if stored.digest() != found.tree.digest():
            raise SourceUnreadable(f"{path} changed while it was being read", hint="run again")
        self._store.restore(stored, destination)

    @contextlib.contextmanager
    def local(self) -> Iterator[Callable[[str], Path]]:
        """Where each path is while packages are resolved: of a directory a copy, which a build may change."""
        with tempfile.TemporaryDirectory(prefix="mpforge-paths-") as folder:

            def place(path: str) -> Path:
                if self.wheel(path).is_file():
                    return self.wheel(path)
                copy = (
                    Path(folder)
                    / str(len(list(Path(folder).iterdir())))
                    / Path(path).resolve().name
                )
                copy.parent.mkdir()
                self.copy(path, copy)
                return copy

            yield place
