"""Write stored content to new files, verified while it is copied."""

import os
import sys
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

from mpforge.store.directory_backend import Unreadable, copied
from mpforge.store.trees import Directory, FileNode

_FICLONE = 0x40049409
_WORTH_CLONING = 1 << 16


def write_tree(tree: Directory, destination: Path, write: Callable[[FileNode, Path], None]) -> None:
    """Create a tree's directories and symlinks below ``destination``, and its files with ``write``."""
    destination.mkdir(parents=True, exist_ok=True)
    for name, entry in tree.entries():
        place = destination / name
        if isinstance(entry, Directory):
            write_tree(entry, place, write)
        elif isinstance(entry, FileNode):
            write(entry, place)
        else:
            place.symlink_to(entry)


class Copies:
    """Copies files of the store; shares their blocks if the file system supports it."""

    def __init__(self) -> None:
        self._clones = True

    def write(self, file: RawIOBase, node: FileNode, destination: Path) -> bool:
        """Write a file's next bytes to a new file; False, and no file, if they don't match ``node``."""
        mode = 0o755 if node.executable else 0o644
        descriptor = os.open(destination, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        whole = False
        try:
            with open(descriptor, "r+b", buffering=0) as copy:
                if self._cloned(file.fileno(), descriptor, node.size):
                    found = copied(copy, None)
                else:
                    found = copied(file, copy, node.size)
                os.fchmod(descriptor, mode)
            whole = found == (node.digest, node.size)
        except Unreadable:
            pass
        finally:
            if not whole:
                destination.unlink()
        return whole

    def _cloned(self, original: int, copy: int, size: int) -> bool:
        """Let a new file share a whole file's blocks, if possible (ioctl_ficlone(2))."""
        worth = size >= _WORTH_CLONING and os.lseek(original, 0, os.SEEK_CUR) == 0
        if sys.platform != "linux" or not worth or not self._clones:
            return False
        import fcntl

        try:
            fcntl.ioctl(copy, _FICLONE, original)
        except OSError:  # nor will it for the next file
            self._clones = False
        return self._clones
