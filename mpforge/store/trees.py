"""File trees as data: REAPI's ``Directory`` (names, digests, exec bit, symlinks; sorted, no times).

A tree is known by the sha256 of its root directory's canonical JSON. Owners, umask and time stamps
are no part of it. This module reads and writes files but knows nothing of where blobs are kept.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True)
class FileNode:
    """A file of a directory: digest (sha256 hex), size in bytes, whether it is executable."""

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
        """The bytes whose sha256 is this directory's digest."""
        data = {
            "directories": [[n, d.digest()] for n, d in sorted(self.directories.items())],
            "files": [[n, f.digest, f.size, f.executable] for n, f in sorted(self.files.items())],
            "symlinks": sorted(self.symlinks.items()),
        }
        return json.dumps(data, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    def digest(self) -> str:
        """The tree's digest: sha256 of the canonical bytes, as hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def from_canonical(cls, data: bytes, read: Callable[[str], "Directory"]) -> "Directory":
        """What ``canonical`` wrote; ``read`` gives a directory by its digest.

        Raises ``ValueError`` for anything else.
        """
        try:
            found = json.loads(data)
            return cls(
                files={n: FileNode(d, size, x) for n, d, size, x in found["files"]},
                directories={n: read(d) for n, d in found["directories"]},
                symlinks=dict(found["symlinks"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a directory: {error}") from None

    def size(self) -> int:
        """The bytes of all its files."""
        return sum(node.size for _, node in self.walk() if isinstance(node, FileNode))

    def entries(self) -> Iterator[tuple[str, "FileNode | str | Directory"]]:
        """What is in this directory by name, sorted: files, symlinks' targets, directories."""
        entries: dict[str, FileNode | str | Directory] = {
            **self.files,
            **self.symlinks,
            **self.directories,
        }
        return ((name, entries[name]) for name in sorted(entries))

    def walk(self, under: str = "") -> Iterator[tuple[str, FileNode | str]]:
        """Every file (a node) and symlink (its target) by path, sorted."""
        for name, entry in self.entries():
            if isinstance(entry, Directory):
                yield from entry.walk(f"{under}{name}/")
            else:
                yield f"{under}{name}", entry

    def described(self) -> dict[str, str]:
        """Each path with a text that changes when it does: digest and mode, or a link's target."""
        return {
            path: f"-> {node}" if isinstance(node, str) else _describe(node)
            for path, node in self.walk()
        }

    def get(self, path: str) -> FileNode | None:
        """The file at a path relative to this directory, symlinks not followed."""
        *folders, name = PurePosixPath(path).parts
        place: Directory | None = self
        for folder in folders:
            place = place.directories.get(folder) if place else None
        return place.files.get(name) if place else None


def _describe(node: FileNode) -> str:
    return f"sha256:{node.digest}" + (" executable" if node.executable else "")


def from_entries(entries: Mapping[str, FileNode | str]) -> Directory:
    """The tree of these paths (``/`` between names); a ``str`` entry is a symlink's target."""
    files: dict[str, FileNode] = {}
    symlinks: dict[str, str] = {}
    below: dict[str, dict[str, FileNode | str]] = {}
    for path, entry in entries.items():
        head, _, rest = path.partition("/")
        if rest:
            below.setdefault(head, {})[rest] = entry
        elif isinstance(entry, str):
            symlinks[head] = entry
        else:
            files[head] = entry
    folders = {name: from_entries(inner) for name, inner in below.items()}
    return Directory(files=files, directories=folders, symlinks=symlinks)
