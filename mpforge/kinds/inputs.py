"""Resolve a step's references to trees: the project's files, another step's output.

On a hit nothing is copied: files are hashed where they are. Before a step runs they are stored, and the key
is computed from the stored files, so inputs can't change under a build.
"""

import functools
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from mpforge.artifacts import archives
from mpforge.formats.globs import normal, select, without
from mpforge.formats.toml import content_of
from mpforge.sources import git, project
from mpforge.sources.project import Project
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory, FileNode, from_entries

T = TypeVar("T")

_WILD = {"*", "?"}
_OPEN = "whatever it holds"
"""Stands for the digest of a file whose content is not in the key."""


class Inputs:
    """The project's files as trees; each is read once in a session.

    ``record`` is the path of the digests of unchanged files, remembered from run to run.
    """

    def __init__(self, source: Project, store: BlobStore, record: Path | None = None) -> None:
        self.source = source
        self.store = store
        self._record = record
        self._settled = False

    @functools.cached_property
    def files(self) -> Directory:
        """The project's files as they are now, hashed in place (a packed sdist: unpacked)."""
        if self.source.form == "packed-sdist":
            return self._unpacked()
        return self._listed.tree

    @functools.cached_property
    def _listed(self) -> project.Files:
        return project.files(self.source, record=self._record)

    @functools.cached_property
    def doubts(self) -> tuple[str, ...]:
        """Warnings for the user about the source: links not followed, files that LFS has not fetched."""
        if self.source.form == "packed-sdist":
            return ()
        return (*self._listed.left_out, *project.not_fetched(self.source, self._listed))

    @functools.cached_property
    def vcs(self) -> git.VcsState | None:
        """Git's state of the source, None outside a checkout."""
        if self.source.listing is None:
            return None
        source, linked = self.source, self._listed.targets
        return git.state(source.root, source.own, self.source.listing, linked=linked)

    def stored(self) -> Directory:
        """Store the project's files and git's state; from now on both properties return these."""
        if self._settled:
            return self.files
        self._settled = True
        self.__dict__.pop("vcs", None)
        if self.source.form != "packed-sdist":
            self.__dict__["files"] = self._stored_now()
        return self.files

    def _stored_now(self, tries: int = 3) -> Directory:
        """List and store the files; once more if one of them vanishes meanwhile."""
        self.source = project.looked_at_again(self.source)
        now = project.files(self.source, record=self._record)
        self.__dict__["_listed"] = now
        paths = [path for path, _ in now.tree.walk()]
        try:
            return self.store.put_directory(self.source.root, paths, elsewhere=now.elsewhere)
        except FileNotFoundError:
            if tries == 1:
                raise
            return self._stored_now(tries - 1)

    def forget(self) -> None:
        """Read everything again: the stored copy is damaged."""
        self._settled = False
        for name in ("files", "_listed", "vcs"):
            self.__dict__.pop(name, None)

    def identity(self, exclude: Sequence[str]) -> str:
        """Return a digest of this source: files without ``exclude``, git's HEAD, tags and changes."""
        tree = pruned(self.files, exclude)
        state = self.vcs
        known = None if state is None else [state.head, git.digest_of(state.tags), state.dirty]
        return hashlib.sha256(json.dumps([tree.digest(), known]).encode()).hexdigest()

    def vcs_parts(self) -> dict[str, str]:
        """Return git's state as ingredients of the sdist step's key."""
        if self.vcs is None:
            return {"git": "none"}
        return self.vcs.parts()

    def read(self, path: str) -> str | None:
        """Return the text of one file of the source, decoded as UTF-8; None if it does not exist."""
        content = self.read_bytes(path)
        return None if content is None else content.decode("utf-8", "replace")

    def read_bytes(self, path: str) -> bytes | None:
        """Return the bytes of one file of the source, None if it does not exist."""
        if self.source.form != "packed-sdist":
            full = self.source.root / path
            return content_of(full, path) if full.is_file() else None
        node = self.files.get(path)
        return None if node is None else self.store.read(node.digest)

    def _unpacked(self) -> Directory:
        with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as folder:
            archives.unpack(self.source.root, Path(folder))
            return self.store.put_directory(archives.sole_directory(Path(folder)))


def pruned(tree: Directory, exclude: Sequence[str]) -> Directory:
    """Return a tree without the paths that a glob matches."""
    globs = [*map(normal, exclude)]
    for glob in globs:
        if not _WILD & set(glob):
            tree = _without(tree, glob.split("/"))
    wild = [glob for glob in globs if _WILD & set(glob)]
    if not wild:
        return tree
    entries = dict(tree.walk())
    return from_entries({path: entries[path] for path in without(entries, wild)})


def _without(tree: Directory, words: Sequence[str]) -> Directory:
    """Return a tree without one path; subtrees off that path stay the same objects."""
    name, *rest = words
    if rest:
        inner = tree.directories.get(name)
        less = _without(inner, rest) if inner is not None else None
        if less is inner or less is None:
            return tree
        return replace(tree, directories={**_less(tree.directories, name), **_filled(name, less)})
    if not any(name in held for held in (tree.files, tree.directories, tree.symlinks)):
        return tree
    return Directory(
        _less(tree.files, name), _less(tree.directories, name), _less(tree.symlinks, name)
    )


def _less(held: Mapping[str, T], name: str) -> dict[str, T]:
    return {other: entry for other, entry in held.items() if other != name}


def _filled(name: str, tree: Directory) -> dict[str, Directory]:
    """Return a directory by its name, unless it is empty: empty ones are not kept."""
    return {name: tree} if tree != Directory() else {}


def selected(tree: Directory, globs: Sequence[str]) -> Directory:
    """Return the paths of a tree that a glob matches."""
    entries = dict(tree.walk())
    return from_entries({path: entries[path] for path in select(entries, globs)})


def without_content(tree: Directory, globs: Sequence[str]) -> Directory:
    """Return a tree whose digest leaves out the content of matching files: names, modes and links count."""
    globs = [*map(normal, globs)]
    for glob in globs:
        if not _WILD & set(glob):
            tree = _opened(tree, glob.split("/"))
    wild = [glob for glob in globs if _WILD & set(glob)]
    if not wild:
        return tree
    entries = dict(tree.walk())
    chosen = {path: entries[path] for path in select(entries, wild)}
    files = {path: _open(node) for path, node in chosen.items() if isinstance(node, FileNode)}
    return from_entries({**entries, **files})


def content_differs(tree: Directory, other: Directory, under: str = "") -> Iterator[str]:
    """Yield the paths of files that differ between two trees of the same names."""
    if tree is other:
        return
    for name, node in tree.files.items():
        if other.files[name] != node:
            yield f"{under}{name}"
    for name, inner in tree.directories.items():
        yield from content_differs(inner, other.directories[name], f"{under}{name}/")


def _opened(tree: Directory, words: Sequence[str]) -> Directory:
    """Return a tree without the content of one path; subtrees off that path stay the same objects."""
    if not words:
        files = {name: _open(node) for name, node in tree.files.items()}
        inner = {name: _opened(held, ()) for name, held in tree.directories.items()}
        return Directory(files, inner, tree.symlinks)
    name, *rest = words
    if name in tree.directories:
        less = _opened(tree.directories[name], rest)
        return replace(tree, directories={**tree.directories, name: less})
    if not rest and name in tree.files:
        return replace(tree, files={**tree.files, name: _open(tree.files[name])})
    return tree


def _open(node: FileNode) -> FileNode:
    return FileNode(_OPEN, 0, node.executable)
