"""Make a root of a distribution's unpacked packages, which programs can run from wherever it is."""

import os
from collections.abc import Sequence
from pathlib import Path

from mpforge.obtain.distro import apt
from mpforge.plan.pins import DistroPin


def make_root(pin: DistroPin, *, state: Path, root: Path) -> None:
    """Unpack the pinned packages as ``fetch`` does, into a root that programs can run from."""
    apt.fetch(pin, state=state, dest=root)
    merge_lib(root)
    relink(root)


def merge_lib(root: Path, folders: Sequence[str] = ("lib", "lib64")) -> None:
    """Make ``lib`` a link to ``usr/lib`` in an unpacked tree, as installed systems have it.

    Packages older than the merge carry both folders, newer ones ``usr/lib`` alone, while every
    program asks for its loader as ``/lib/ld-linux…``. ``folders`` are the folders that get such a link.
    """
    for name in folders:
        old, new = root / name, root / "usr" / name
        new_existed = new.is_dir()
        if old.is_symlink() or not (old.is_dir() or new_existed):
            continue
        new.mkdir(parents=True, exist_ok=True)
        if old.is_dir():
            _move_into(old, new)
        old.symlink_to(Path("usr") / name)


def _move_into(source: Path, target: Path) -> None:
    """Move everything of ``source`` into ``target``, folder by folder, and remove ``source``."""
    for entry in sorted(source.iterdir()):
        there = target / entry.name
        if entry.is_dir() and not entry.is_symlink() and there.is_dir():
            _move_into(entry, there)
        else:
            os.replace(entry, there)
    source.rmdir()


def relink(root: Path) -> None:
    """Make absolute symlinks of an unpacked tree relative, so that none leads out to the host."""
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and (target := os.readlink(path)).startswith("/"):
                path.unlink()
                path.symlink_to(os.path.relpath(root / target.lstrip("/"), folder))
