"""Collect the files that a step declares as its outputs."""

import shutil
from pathlib import Path

from mpforge.formats.globs import select
from mpforge.store.files import files_below


def collect(outputs: tuple[str, ...], made: Path, directory: Path) -> tuple[str, ...]:
    """Copy files of ``made`` that match ``outputs`` to ``directory``; return the globs without a match."""
    files = list(files_below(made)) if made.is_dir() else []
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
