"""Find the files of a step's source that its programs read, by the files' access times.

Every file of a source has one old time when a step begins (``sourcecopy``), so that a read shows also
where the kernel notes only the first one after a change (relatime, mount(8)). Seen are reads, mmap(2) and
exec. Not seen: stat(2), and a read by open(2)'s O_NOATIME.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_OLD = 315532800  # any time long ago

_Stamp = tuple[int, ...] | None


@dataclass(frozen=True)
class Watch:
    """Files below ``root`` whose reads are observed from now on; ``stamps`` is None if they can't be."""

    root: Path
    paths: tuple[str, ...]
    stamps: Mapping[str, _Stamp] | None

    def read(self) -> tuple[str, ...]:
        """Return the files that were read, changed, linked or removed since; all files if that is unknown."""
        if self.stamps is None:
            return self.paths
        return tuple(p for p in self.paths if _stamp(self.root / p) != self.stamps[p])


def watch(root: Path, paths: Iterable[str]) -> Watch:
    """Watch existing files; reads before this function returns are not observed."""
    found = tuple(paths)
    if not found or not access_times_tell(root):
        return Watch(root, found, None)
    return Watch(root, found, {path: _stamp(root / path) for path in found})


def access_times_tell(folder: Path) -> bool:
    """Return whether a folder's file system records every kind of read, tried with a file of our own.

    Not so with noatime, on most network file systems, and where a copy may share blocks unseen (btrfs, XFS).
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".mpforge-reads-") as place:
            return all(_is_seen(Path(place), number) for number in range(len(_WAYS)))
    except OSError:
        return False


def _is_seen(place: Path, number: int) -> bool:
    file = place / f"{number}"
    file.write_bytes(b"content" * 1000)
    os.utime(file, (_OLD, _OLD))
    before = _stamp(file)
    with file.open("rb", buffering=0) as source, (place / f"{number}-copy").open("wb") as copy:
        try:
            _WAYS[number](source.fileno(), copy.fileno())
        except (OSError, AttributeError, ImportError):
            return True  # nor can a build read in this way
    return _stamp(file) != before


def _clone(source: int, copy: int) -> None:
    import fcntl

    fcntl.ioctl(copy, _FICLONE, source)


_WAYS = (
    lambda source, _: os.read(source, 100),
    lambda source, copy: os.copy_file_range(source, copy, 7000),
    lambda source, copy: os.sendfile(copy, source, 0, 7000),
    _clone,
)


def _stamp(path: Path) -> _Stamp:
    """Return the file's times and identity, which any use changes; None if the file is gone."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
        return (*times, found.st_ino, found.st_dev, found.st_size)
    return None
