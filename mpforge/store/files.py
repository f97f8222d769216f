"""Files on disk: written whole or not at all, listed, hashed. Knows nothing of a store's layout."""

import contextlib
import errno
import hashlib
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from mpforge.store.trees import FileNode

_PROBE_BYTES = 1 << 20
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644, below: Path | None = None) -> Iterator[IO[bytes]]:
    """Yield a new file that takes the path when the block succeeds; otherwise it is removed.

    Until then it is ``below`` another directory of the same file system, if one is given.
    """
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=below or path.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:  # whatever the block raised, or an interrupt: no half file may stay
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_atomically(
    path: Path, data: bytes, *, mode: int = 0o644, below: Path | None = None
) -> None:
    """Write a file atomically: whole or not at all (temporary file, fsync, rename); see ``replacing``."""
    (below or path.parent).mkdir(parents=True, exist_ok=True)
    with replacing(path, mode=mode, below=below) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def regular(path: Path) -> FileIO:
    """Open a regular file for unbuffered reading, without blocking on a FIFO.

    Raises ``OSError``, also for anything but a regular file.
    """
    file = FileIO(os.open(path, os.O_RDONLY | _AT_ONCE))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


def make_way(path: Path) -> None:
    """Clear a path for a new file: remove a FIFO, a symlink or an empty directory.

    Raises ``OSError`` for a directory that is not empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        path.unlink()
    elif path.is_dir():
        path.rmdir()


def files_below(root: Path, under: str = "") -> Iterator[str]:
    """Yield the relative paths of all files and symlinks below a directory, sorted within each directory."""
    waiting = _backwards(root, under)
    while waiting:  # not recursively: a build may make very deep directories
        path, entry = waiting.pop()
        if entry.is_dir(follow_symlinks=False):
            waiting += _backwards(root, path)
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            yield path


def _backwards(root: Path, under: str) -> list[tuple[str, "os.DirEntry[str]"]]:
    """Return the entries of a directory with their paths relative to ``root``, the last name first."""
    with os.scandir(f"{root}/{under}") as found:
        entries = sorted(found, key=lambda entry: entry.name, reverse=True)
    return [(f"{under}/{entry.name}" if under else entry.name, entry) for entry in entries]


def entries_below(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below a directory by its path, in no order; what can't be listed has nothing in it."""
    pending = [""]
    for folder in pending:
        with contextlib.suppress(OSError), os.scandir(f"{root}/{folder}") as listed:
            for entry in listed:
                yield f"{folder}{entry.name}", entry
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{folder}{entry.name}/")


def size_below(root: Path) -> int:
    """Return the total bytes of files and symlinks below a directory; those that vanish count as 0."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def seconds_since_written(path: Path) -> float:
    """Return the age of a file's content; infinite if it is missing, or from the future."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return math.inf
    return age if age >= 0 else math.inf


def hash_file(path: Path) -> "FileNode":
    """Hash a file in place and return its node."""
    from mpforge.store.trees import FileNode

    with regular(path) as file:
        executable = bool(os.fstat(file.fileno()).st_mode & 0o111)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileNode(digest, file.tell(), executable)


def digest_of_files(files: Iterable[tuple[str, Path]]) -> str:
    """Return a digest of files, given with their names: of names and contents, in this order."""
    whole = hashlib.sha256()
    for name, path in files:
        row = f"{name} {hash_file(path).digest}\n"
        whole.update(row.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def remove_tree(path: Path) -> None:
    """Remove a directory and all below it, also what its owner can't enter; errors are ignored."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _remove_flattened(path)


def _remove_flattened(path: Path) -> None:
    """Remove a directory of any depth: each directory below is opened, and moved to the top."""
    waiting, top = [str(path)], path / os.urandom(8).hex()
    for folder in waiting:  # which grows
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
            for entry in [*os.scandir(folder)]:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        os.chmod(entry, 0o700)
                        place = f"{top}-{len(waiting)}"
                        os.rename(entry, place)
                        waiting.append(place)
                    else:
                        os.unlink(entry)
    for folder in reversed(waiting):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def open_up(path: Path) -> None:
    """Let the owner enter and change a directory and all below it. Raises ``OSError``."""
    os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            place = os.path.join(folder, name)
            if not os.path.islink(place):
                os.chmod(place, 0o700)


def unwritable(folder: Path) -> str | None:
    """Return the reason why a folder, created if need be, can't be written to; None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
