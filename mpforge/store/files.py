"""Files on disk: written whole or not at all, listed, hashed. Knows nothing of a store's layout."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mpforge.store.trees import FileNode

_CHUNK = 1 << 18


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all (temporary file, fsync, rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def files_below(root: Path, under: str = "") -> Iterator[str]:
    """Relative paths of all files and symlinks below a directory, sorted within each directory."""
    with os.scandir(root / under if under else root) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{under}/{entry.name}" if under else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(root, path)
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            yield path


def hash_file(path: Path) -> FileNode:
    """A file's node, read from where it is."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        size = 0
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return FileNode(sha.hexdigest(), size, bool(status.st_mode & 0o111))
