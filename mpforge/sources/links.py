"""Symlinks of a source that lead out of it: followed if they stay in the repository, else reported.

A followed link is replaced by its target: a file, or a directory with all that git lists in it. Within a
directory that is followed the same applies: a link that stays in it stays a link.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from mpforge.errors import SourceUnreadable

Listed = Callable[[Path, bool], Iterable[str]]
"""Returns the paths of a directory's source files, relative to it: all below it, or those in it."""

MOST = 200_000
"""The most files that may replace symlinks: directories with two links to the next double each time."""


def may_stay(root: str, path: str, target: str) -> bool:
    """Return whether a link at ``path`` below ``root`` leads to a path below it, judged by its text.

    A text with ``..`` after another link may lead elsewhere than it seems. A link to a directory that
    contains the link may not stay: tools that follow links would not end.
    """
    if os.path.isabs(target):
        return False
    place = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if place.split("/", 1)[0] == "..":
        return False
    folder = os.path.join(root, os.path.dirname(path))
    leads_to = os.path.realpath(os.path.join(root, place))
    if _is_in(os.path.realpath(folder), leads_to):
        return False
    if "/.." not in target.lstrip("./"):
        return True
    return os.path.realpath(os.path.join(folder, target)) == leads_to


@dataclass(frozen=True)
class Followed:
    """Symlinks that lead out of a source, followed within its repository, and the files that replace them.

    ``repository`` is its real path, which messages call ``around``. ``files`` has the real path of each path
    of the source, relative to the repository; ``links`` are links within a directory that is followed;
    ``left_out`` says why others are not followed. ``targets`` are the files and directories that links lead
    to, relative to the repository.
    """

    repository: str
    listed: Listed
    around: str = "the repository"
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    targets: set[str] = field(default_factory=set)
    _listings: dict[tuple[str, bool], frozenset[str]] = field(default_factory=dict)

    def follow(self, root: Path, leaving: Iterable[str]) -> None:
        """Follow links of the source ``root``, a real path, by their paths in it.

        Raises what ``listed`` raises, and ``SourceUnreadable`` for too many files.
        """
        for path in sorted(leaving):
            self._link(path, os.path.join(str(root), path), ())

    def _link(self, path: str, place: str, through: tuple[str, ...]) -> None:
        """Put the target of a link at ``place`` at ``path``; ``through`` are the links on the way to it."""
        if len(self.files) + len(self.links) + len(self.left_out) > MOST:
            raise SourceUnreadable(
                f"symlinks in the source lead to more than {MOST:,} files",
                why=f"one of them is {path}",
                hint="directories that link to each other are copied once for each link",
            )
        place = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))
        target = os.path.realpath(place)
        reason = self._forbidden(target) or self._followed(path, place, target, (*through, place))
        if reason is not None:
            words = (
                f"{path} is a symlink to {os.readlink(place)}, {reason}: it is left out of the source; "
                "copy its target into the project if the build needs it"
            )
            self.left_out[path] = words
        else:
            self.targets.add(os.path.relpath(target, self.repository))

    def _forbidden(self, target: str) -> str | None:
        if not _is_in(target, self.repository):
            return f"which is outside of {self.around}"
        inside = os.path.relpath(target, self.repository).split(os.sep)
        return "which is in .git" if ".git" in inside else None

    def _followed(self, path: str, place: str, target: str, through: tuple[str, ...]) -> str | None:
        """Follow a link; return the reason if it can't be followed, else None."""
        try:
            mode = os.stat(place).st_mode
        except OSError as error:
            return f"which can't be followed: {error.strerror}"
        if S_ISREG(mode):
            return self._file(path, target)
        if not S_ISDIR(mode):
            return "which is not a regular file"
        if any(_is_in(link, target) for link in through):
            return "which contains the link itself"
        return self._directory(path, target, through)

    def _file(self, path: str, target: str) -> str | None:
        folder, name = os.path.split(target)
        if name not in self._names(folder, all_below=False):
            return "which git ignores"
        self.files[path] = os.path.relpath(target, self.repository)
        return None

    def _directory(self, path: str, target: str, through: tuple[str, ...]) -> str | None:
        names = self._names(target, all_below=True)
        for name in sorted(names):
            self._entry(f"{path}/{name}", target, name, through)
        return None if names else "where git lists no files"

    def _entry(self, path: str, folder: str, name: str, through: tuple[str, ...]) -> None:
        """Add a file or link of a directory that is followed."""
        place = os.path.join(folder, name)
        if os.path.islink(place):
            target = os.readlink(place)
            if may_stay(folder, name, target):
                self.links[path] = target
            else:
                self._link(path, place, through)
        elif os.path.isfile(place):
            self.files[path] = os.path.relpath(place, self.repository)

    def _names(self, folder: str, *, all_below: bool) -> frozenset[str]:
        key = folder, all_below
        if key not in self._listings:
            self._listings[key] = frozenset(self.listed(Path(folder), all_below))
        return self._listings[key]


def _is_in(place: str, folder: str) -> bool:
    return os.path.commonpath((place, folder)) == folder
