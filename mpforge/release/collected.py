"""Bring the recorded files of several ``dist/`` directories together, as CI's jobs leave them."""

import os
import shutil
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from mpforge.engine.dist import Dist, Entry
from mpforge.errors import DistConflict, WrongInput


def collect(dist: Dist, folders: Iterable[Path]) -> None:
    """Put the files of other directories into ``dist``, with the results of their tests.

    Raises ``WrongInput`` for a directory without a record; ``DistConflict`` if a file was changed since it
    was built, or two directories have different files of one name.
    """
    for folder in folders:
        other = Dist(folder, folder)
        entries = other.entries()
        if not entries:
            raise WrongInput(
                f"{folder} has no readable mpforge.json",
                hint="give the dist/ directories that build and test jobs left",
            )
        known = {entry.path: entry for entry in dist.entries()}
        for entry in entries:
            _check(entry, known.get(entry.path), other)
        made = sorted(entries, key=_maker)
        for _, files in groupby(made, key=_maker):
            _take(dist, tuple(files), folder)


def _maker(entry: Entry) -> tuple[str, str]:
    return entry.spec, entry.session


def _check(entry: Entry, known: Entry | None, other: Dist) -> None:
    """Raise ``DistConflict`` for a file that is not as it was built, or not the one that is here."""
    if not other.intact(entry):
        raise DistConflict(
            f"{other.root / entry.path} is missing, or was changed since it was built",
            hint=f"run {entry.session} again, and keep its dist/ as it is",
        )
    if known is not None and known.digest != entry.digest:
        raise DistConflict(
            f"{other.root / entry.path} differs from the file of this name that was collected before",
            why=f"made by {known.session} and by {entry.session}",
            hint=f"`mpforge verify {entry.session}` shows why its build is not reproducible",
        )


def _take(dist: Dist, files: tuple[Entry, ...], folder: Path) -> None:
    """Publish the files of one session of another directory."""

    def copy(entry: Entry, place: Path) -> None:
        if entry.symlink is not None:
            os.symlink(entry.symlink, place)
            return
        shutil.copyfile(folder / entry.path, place)
        place.chmod(0o755 if entry.executable else 0o644)

    dist.publish(files, copy)
    for entry in files:
        for user in entry.users:
            dist.serve(entry, user)
        for session, result in entry.tests.items():
            dist.record_test(entry, session, dict(result))
