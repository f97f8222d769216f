"""File trees as data: REAPI's ``Directory`` (names, digests, exec bit, symlinks; sorted, no times).

A tree's identity is the sha256 of its root directory's canonical JSON. Owners, umask and time stamps
are no part of it. This module reads and writes files but knows nothing of how blobs are stored.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _text
from pathlib import PurePosixPath


@dataclass(frozen=True)
class FileNode:
    """A file of a directory: digest (sha256 hex), size in bytes, executable bit."""

    digest: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Directory:
    """One directory of a tree; ``symlinks`` map a name to its target as written."""

    files: Mapping[str, FileNode] = field(default_factory=dict)
    directories: Mapping[str, "Directory"] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)

    def canonical(self) -> bytes:
        """Return the bytes whose sha256 is this directory's digest."""
        directories = (f'[{_text(n)},"{d.digest()}"]' for n, d in sorted(self.directories.items()))
        files = (
            f'[{_text(n)},"{f.digest}",{f.size},{"true" if f.executable else "false"}]'
            for n, f in sorted(self.files.items())
        )
        links = (f"[{_text(n)},{_text(target)}]" for n, target in sorted(self.symlinks.items()))
        parts = (
            f'"{key}":[{",".join(rows)}]'
            for key, rows in (("directories", directories), ("files", files), ("symlinks", links))
        )
        return f"{{{','.join(parts)}}}".encode("ascii")

    def digest(self) -> str:
        """Return the tree's digest: the sha256 of the canonical bytes, as hex."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def from_canonical(cls, data: bytes, read: Callable[[str], "Directory"]) -> "Directory":
        """Return the directory that ``canonical`` wrote; ``read`` returns a directory by its digest.

        Raises ``ValueError`` for any other data.
        """
        try:
            found = json.loads(data)
            return cls(
                files={n: FileNode(d, size, x) for n, d, size, x in found["files"]},
                directories={n: read(d) for n, d in found["directories"]},
                symlinks=dict(found["symlinks"]),
            )
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"not a directory: {error}") from None

    def directories_below(self) -> Iterator["Directory"]:
        """Yield the directories below this one, and it, each after those in it."""
        for directory in self.directories.values():
            yield from directory.directories_below()
        yield self

    def size(self) -> int:
        """Return the total size of all its files, in bytes."""
        return sum(node.size for _, node in self.walk() if isinstance(node, FileNode))

    def entries(self) -> Iterator[tuple[str, "FileNode | str | Directory"]]:
        """Yield this directory's entries by name, sorted: files, symlinks' targets, directories."""
        entries: dict[str, FileNode | str | Directory] = {
            **self.files,
            **self.symlinks,
            **self.directories,
        }
        return ((name, entries[name]) for name in sorted(entries))

    def walk(self, under: str = "") -> Iterator[tuple[str, FileNode | str]]:
        """Yield every file (a node) and symlink (its target) by path, sorted."""
        for name, entry in self.entries():
            if isinstance(entry, Directory):
                yield from entry.walk(f"{under}{name}/")
            else:
                yield f"{under}{name}", entry

    def described(self) -> dict[str, str]:
        """Return a text for each path that changes with it: digest and mode, or a symlink's target."""
        return {path: _described(node) for path, node in self.walk()}

    def get(self, path: str) -> FileNode | None:
        """Return the file at a path relative to this directory, or None; symlinks are not followed."""
        held = self.at(path)
        return held if isinstance(held, FileNode) else None

    def at(self, path: str) -> "FileNode | str | Directory | None":
        """Return the entry at a path relative to this directory: a file, a symlink's target, a directory."""
        *folders, name = PurePosixPath(path).parts
        place: Directory | None = self
        for folder in folders:
            place = place.directories.get(folder) if place else None
        if place is None:
            return None
        return place.files.get(name) or place.symlinks.get(name) or place.directories.get(name)


def _described(node: FileNode | str) -> str:
    if isinstance(node, str):
        return f"-> {node}"
    return f"sha256:{node.digest}" + (" executable" if node.executable else "")


def from_entries(entries: Mapping[str, FileNode | str | None]) -> Directory:
    """Return the tree of these paths (``/`` between names).

    A ``str`` entry is a symlink's target, None a directory, which may be empty.
    """
    folders: dict[str, tuple[dict[str, FileNode], dict[str, Directory], dict[str, str]]] = {}

    def content(folder: str) -> tuple[dict[str, FileNode], dict[str, Directory], dict[str, str]]:
        if folder not in folders:
            folders[folder] = {}, {}, {}
            if folder:
                above, _, name = folder.rpartition("/")
                content(above)[1][name] = Directory(*folders[folder])
        return folders[folder]

    for path, entry in entries.items():
        folder, _, name = path.rpartition("/")
        if entry is None:
            content(path)
        elif isinstance(entry, str):
            content(folder)[2][name] = entry
        else:
            content(folder)[0][name] = entry
    return Directory(*content(""))


def to_manifest(tree: Directory) -> bytes:
    """Return a whole tree as text: the canonical bytes of each directory, one a line (REAPI's ``Tree``)."""
    lines = {below.digest(): below.canonical() for below in tree.directories_below()}
    return b"".join(line + b"\n" for line in lines.values())


def from_manifest(data: bytes, digest: str) -> Directory:
    """Return the tree of this digest that ``to_manifest`` wrote. Raises ``ValueError`` for any other data."""
    lines = {hashlib.sha256(line).hexdigest(): line for line in data.splitlines()}

    def read(digest: str) -> Directory:
        return Directory.from_canonical(lines[digest], read)

    try:
        return read(digest)
    except KeyError:
        raise ValueError(f"{digest} is not a tree of this manifest") from None


def differences(tree: Directory, found: Directory) -> Iterator[str]:
    """Yield each difference of a tree that was found: ``PATH is missing``, ``was added``, ``was changed``."""
    if tree.digest() == found.digest():
        return
    before, now = dict(_everything(tree)), dict(_everything(found))
    yield from (f"{path} is missing" for path in sorted(before.keys() - now.keys()))
    yield from (f"{path} was added" for path in sorted(now.keys() - before.keys()))
    common = sorted(before.keys() & now.keys())
    yield from (f"{path} was changed" for path in common if before[path] != now[path])


def _everything(tree: Directory, under: str = "") -> Iterator[tuple[str, FileNode | str | None]]:
    """Yield all entries by path: a file, a symlink's target, None for a directory."""
    for name, entry in tree.entries():
        if isinstance(entry, Directory):
            yield f"{under}{name}", None
            yield from _everything(entry, f"{under}{name}/")
        else:
            yield f"{under}{name}", entry
