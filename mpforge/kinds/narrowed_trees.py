"""Narrow a tree to what a step sees, or to what its key depends on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mpforge.formats.globs import normal, select, without
from mpforge.store.trees import Directory, FileNode, from_entries

T = TypeVar("T")

_WILD = {"*", "?"}
_OPEN = "whatever it holds"
"""Stands for the digest of a file whose content is not in the key."""


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
