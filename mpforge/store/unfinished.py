"""Directories for tools that take long to make: after a kill the next process continues there.

Their content is used only within one boot of the machine: a kill loses nothing that was written, a crash of
the system may. Whoever makes or removes one holds the tool's lock. Knows nothing of a tool's content.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mpforge.store import notes
from mpforge.store.files import remove_tree, size_below, write_atomically
from mpforge.store.stamps import boot_id

FOLDER = ".unfinished"
_BOOT = "boot"


def resume(root: Path, tool: str) -> Path | None:
    """Return the directory below ``root`` to make a tool in, with the files that a killed process left.

    None if the system has no boot id. Raises ``OSError``.
    """
    boot = boot_id().encode()
    if not boot:
        return None
    place = root / FOLDER / tool
    if _boot_of(place) != boot:
        remove_tree(place)
        place.mkdir(parents=True)
    write_atomically(place / _BOOT, boot)  # its time says when it was last worked on
    return place


def finish(place: Path) -> None:
    """Mark a directory as one not to continue from. Raises ``OSError``."""
    (place / _BOOT).unlink(missing_ok=True)


def kept(root: Path) -> Iterator[tuple[Path, int, float]]:
    """Yield each directory below ``root``, its size in bytes, and the time when it was last worked on."""
    folder = root / FOLDER
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # it has been finished or removed
            marked = place / _BOOT
            last = (marked if marked.exists() else place).stat().st_mtime
            yield place, size_below(place), last


def _boot_of(place: Path) -> bytes | None:
    try:
        return bytes(notes.read(place / _BOOT))
    except (OSError, ValueError):
        return None
