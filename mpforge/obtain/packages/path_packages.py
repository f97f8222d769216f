"""Packages that the spec's requirements name by a path: wheels, and source directories."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mpforge.errors import SourceUnreadable
from mpforge.sources import project
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.workspace import SPEC_NAME


class PathPackages:
    """The packages at paths relative to ``base``; a directory's files are read once per session."""

    def __init__(self, base: Path, store: BlobStore) -> None:
        self._base = base
        self._store = store
        self._found: dict[tuple[str, bool], project.Files] = {}

    def wheel(self, path: str) -> Path:
        """Return a wheel's absolute path."""
        return self._base / path

    def files(self, path: str, *, released: bool = False) -> Directory:
        """Return the source files of a directory: those that git lists, or all but tools' leftovers.

        ``released``: it is a release of other software, whose own files may have such names (``build``).
        """
        return self._files(path, released=released).tree

    def _files(self, path: str, *, released: bool = False) -> project.Files:
        if (path, released) not in self._found:
            found = project.locate(self._base, path, SPEC_NAME)
            if released and found.form == "directory":
                found = dataclasses.replace(found, form="unpacked-sdist")
            self._found[path, released] = project.files(found)
        return self._found[path, released]

    def copy(self, path: str, destination: Path, *, released: bool = False) -> None:
        """Copy a directory's source files. Raises ``SourceUnreadable`` if they change meanwhile."""
        found = self._files(path, released=released)
        root, paths = (self._base / path).resolve(), [name for name, _ in found.tree.walk()]
        stored = self._store.put_directory(root, paths, elsewhere=found.elsewhere)
        if stored.digest() != found.tree.digest():
            raise SourceUnreadable(f"{path} changed while it was being read", hint="run again")
        self._store.restore(stored, destination)

    @contextlib.contextmanager
    def local(self) -> Iterator[Callable[[str], Path]]:
        """Yield a function that returns a path's place while resolving; a directory's is a copy."""
        with tempfile.TemporaryDirectory(prefix="mpforge-paths-") as folder:

            def place(path: str) -> Path:
                if self.wheel(path).is_file():
                    return self.wheel(path)
                copy = Path(tempfile.mkdtemp(dir=folder)) / Path(path).resolve().name
                self.copy(path, copy)
                return copy

            yield place
