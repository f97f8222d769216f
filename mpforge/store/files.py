"""Files on disk: written whole or not at all, listed, hashed. Knows nothing of a store's layout."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mpforge.store.trees import FileNode

_CHUNK = 1 << 18
_PROBE_BYTES = 1 << 20


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


def remove_tree(path: Path) -> None:
    """Remove a directory and all below it, those that were made read-only too, as far as that can be."""
    shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
        for folder, names, _ in os.walk(path):
            for name in names:
                place = os.path.join(folder, name)
                if not os.path.islink(place):
                    os.chmod(place, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def unwritable(folder: Path) -> str | None:
    """Why nothing more can be written to a folder, made if need be; None: it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
