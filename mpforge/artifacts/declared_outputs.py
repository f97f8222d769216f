"""Collect the files that a step declares as its outputs."""

import shutil
from pathlib import Path

from mpforge.formats.globs import select
from mpforge.store.files import files_below, open_up


def collect(outputs: tuple[str, ...], made: Path, directory: Path) -> tuple[str, ...]:
    """Copy files of ``made`` that match ``outputs`` to ``directory``; return the globs without a match."""
    files = _files(made) if made.is_dir() else []
    missing = []
    for glob in outputs:
        found = select(files, [glob])
        if not found:
            missing.append(glob)
        for path in found:
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(made / path, place, follow_symlinks=False)
    return tuple(missing)


def _files(made: Path) -> list[str]:
    """Return all files, also of directories that a build or a test has closed, even to their owner."""
    try:
        return list(files_below(made))
    except PermissionError:
        open_up(made)
        return list(files_below(made))
