"""A step's references, resolved to trees: the project's files, another step's output.

On a hit nothing is copied: files are hashed where they are. Before a step runs they are stored, and the
key is taken from what was stored, so inputs can't move under a build.
"""

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from mpforge.sources import archives, git, project
from mpforge.sources.project import Project
from mpforge.store.files import hash_file
from mpforge.store.local import Store
from mpforge.store.trees import Directory, FileNode, from_entries

# What a build reads is its input, whatever else it is used for.
_BUILD_FILES = {"pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "PKG-INFO"}


class Inputs:
    """The project's files as trees; each is read once in a session."""

    def __init__(self, source: Project, store: Store) -> None:
        self.source = source
        self._store = store
        self._settled = False

    @functools.cached_property
    def files(self) -> Directory:
        """The project's files as they are now, hashed in place (a packed sdist: unpacked)."""
        if self.source.form == "packed-sdist":
            return self._unpacked()
        entries: dict[str, FileNode | str] = {}
        for path in project.files(self.source):
            full = self.source.root / path
            entries[path] = os.readlink(full) if full.is_symlink() else hash_file(full)
        return from_entries(entries)

    @functools.cached_property
    def vcs(self) -> git.VcsState | None:
        """What git knows of the source, None outside a checkout."""
        if self.source.form != "checkout":
            return None
        return git.state(self.source.root, self.source.own)

    def stored(self) -> Directory:
        """The project's files in the store, and git's state then: from now on what both mean."""
        if self._settled:
            return self.files
        self._settled = True
        self.__dict__.pop("vcs", None)
        if self.source.form != "packed-sdist":
            tree = self._store.put_directory(self.source.root, iter(project.files(self.source)))
            self.__dict__["files"] = tree
        return self.files

    def forget(self) -> None:
        """Read everything again: what was stored of it is damaged."""
        self._settled = False
        for name in ("files", "vcs"):
            self.__dict__.pop(name, None)

    def identity(self, exclude: Sequence[str]) -> str:
        """What tells this source from another: files less ``exclude``, git's HEAD, tags and changes."""
        tree = pruned(self.files, exclude)
        state = self.vcs
        known = None if state is None else [state.head, state.tags, state.dirty]
        return hashlib.sha256(json.dumps([tree.digest(), known]).encode()).hexdigest()

    def vcs_parts(self) -> dict[str, str]:
        """git's state as ingredients of the sdist step's key."""
        if self.vcs is None:
            return {"git": "none"}
        return {f"git.{name}": json.dumps(value) for name, value in asdict(self.vcs).items()}

    def read(self, path: str) -> str | None:
        """The text of one file of the source, None where there is none."""
        if self.source.form != "packed-sdist":
            full = self.source.root / path
            return full.read_text("utf-8", "replace") if full.is_file() else None
        node = self.files.get(path)
        return None if node is None else self._store.read(node.digest).decode("utf-8", "replace")

    def _unpacked(self) -> Directory:
        with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as folder:
            archives.unpack(self.source.root, Path(folder))
            return self._store.put_directory(archives.sole_directory(Path(folder)))


def pruned(tree: Directory, exclude: Sequence[str]) -> Directory:
    """A tree less the paths that a glob matches."""
    if not exclude:
        return tree
    entries = dict(tree.walk())
    return from_entries({path: entries[path] for path in project.without(entries, exclude)})


def selected(tree: Directory, globs: Sequence[str]) -> Directory:
    """The paths of a tree that a glob matches."""
    entries = dict(tree.walk())
    return from_entries({path: entries[path] for path in project.select(entries, globs)})


def unseen_test_sources(
    tree: Directory, sources: Sequence[str], read: Callable[[str], str | None]
) -> tuple[str, ...]:
    """The test sources that a build must not see: all but those that the sdist says it installs.

    setuptools writes the top-level names that it installs into ``top_level.txt``; ``read`` gives the
    text of one of the tree's files.
    """
    installed: set[str] = set()
    for path, node in tree.walk():
        if path.endswith("egg-info/top_level.txt") and isinstance(node, FileNode):
            installed |= set((read(path) or "").split())
    seen = installed | _BUILD_FILES
    return tuple(s for s in sources if s.removesuffix(".py") not in seen and s not in seen)
