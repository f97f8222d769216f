"""Pack files for a container, and unpack what a container runtime sends."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from mpforge.artifacts import archives
from mpforge.errors import ArchiveRefused, RuntimeLost, SourceUnreadable
from mpforge.formats.tar import tarfile


def pack(tree: Path, place: str, file: IO[bytes], *, only: Iterable[str] | None = None) -> None:
    """Write a directory's entries, or ``only`` these, as the tar archive of the directory ``place``.

    The files belong to root, and keep their modes and times.
    """
    with tarfile.open(fileobj=file, mode="w") as tar:
        _add_parents(tar, place)
        for name in sorted(os.listdir(tree)) if only is None else only:
            tar.add(tree / name, f"{place.strip('/')}/{name}", filter=_as_root)


def unpack(packed: Path, place: str, destination: Path, *, harmless: bool) -> None:
    """Unpack the archive of ``place`` beside it, and move the one entry in it to ``destination``.

    ``harmless``: leave out entries that could escape. Raises ``ArchiveRefused``, ``RuntimeLost``.
    """
    unpacked = packed.with_name("out")
    try:
        (archives.unpack_harmless if harmless else archives.unpack)(packed, unpacked)
    except SourceUnreadable as error:
        raise RuntimeLost(
            f"the archive of {place} that the container runtime sent can't be unpacked",
            why=error.why,
            hint="repeat the command; no partial result was kept",
        ) from None
    found = unpacked / place.rpartition("/")[2]
    if not os.path.lexists(found):
        raise ArchiveRefused(f"{place} in the container is a link to another place")
    found.rename(destination)


def _add_parents(tar: tarfile.TarFile, place: str) -> None:
    words = place.strip("/").split("/")
    for count in range(1, len(words) + 1):
        entry = tarfile.TarInfo("/".join(words[:count]))
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = stat.S_IMODE(entry.mode) & 0o777
    return entry
