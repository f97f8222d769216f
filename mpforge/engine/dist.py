"""``dist/`` and its record: what is published, by whom, and what it was made of.

Only files that ``dist/mpforge.json`` says are ours are replaced or removed, atomically, under a lock. What
is published together is recorded together, before the first file is put in place: whenever a process is
killed, each file of ours is known to be ours, and what is missing is seen to be missing.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpforge.engine import dist_record
from mpforge.engine.dist_record import RECORD, Entry
from mpforge.errors import DistConflict
from mpforge.store.directory_backend import flush
from mpforge.store.files import hash_file, make_way
from mpforge.store.locks import alone

_MAKING = ".mpforge-new"

Write = Callable[[Entry, Path], None]
"""Writes what an entry says to a path that nothing has yet."""


class Dist:
    """The ``dist/`` directory of a checkout, as one of its specs sees it; ``state`` keeps its lock."""

    def __init__(self, root: Path, state: Path, spec: str = "multiplatform.toml") -> None:
        self.root = root
        self._spec = spec
        self._lock_path = state / "dist.lock"

    def entries(self) -> tuple[Entry, ...]:
        """What the record holds; an unreadable record holds nothing.

        Raises ``DistConflict`` for one of a newer schema.
        """
        return dist_record.read(self.root) or ()

    def set_damaged_aside(self) -> Path | None:
        """Move a record that can't be understood away, so that nothing in it is lost; where to."""
        with self.locked():
            if dist_record.read(self.root) is not None:
                return None
            names = (f"damaged-{number}-{RECORD}" for number in itertools.count(1))
            places = map(self._lock_path.with_name, names)
            place = next(place for place in places if not os.path.lexists(place))
            os.replace(self.root / RECORD, place)
        return place

    def of(self, session: str) -> tuple[Entry, ...]:
        """The files that a session made or that serve it."""
        entries = [entry for entry in self.entries() if entry.spec == self._spec]
        return tuple(e for e in entries if session == e.session or session in e.users)

    def intact(self, entry: Entry) -> bool:
        """Whether the file is there with the recorded content; what carries files may drop modes."""
        path = self.root / entry.path
        if any(map(Path.is_symlink, self._folders(entry))):
            return False
        if entry.symlink is not None:
            return path.is_symlink() and os.readlink(path) == entry.symlink
        whole = path.is_file() and not path.is_symlink()
        return whole and hash_file(path).digest == entry.digest

    def in_place(self, entry: Entry) -> bool:
        """Whether the file is there as it was published: with its content and its executable bit."""
        path = self.root / entry.path
        if not self.intact(entry):
            return False
        return entry.symlink is not None or os.access(path, os.X_OK) == entry.executable

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes ``dist/`` meanwhile. Raises ``DistConflict`` where it is no directory."""
        if self.root.is_symlink() or (self.root.exists() and not self.root.is_dir()):
            what = "a symlink" if self.root.is_symlink() else "not a directory"
            raise DistConflict(
                f"{self.root.name} is {what}, but mpforge publishes into a directory of that name",
                hint=f"move {self.root.name} away",
            )
        with contextlib.suppress(OSError):
            make_way(self._lock_path)
        with alone(self._lock_path, waits=lambda: None, warn=lambda _why: None):
            yield

    def publish(self, entries: Sequence[Entry], write: Write) -> list[bool]:
        """Put all files of a session in place and record them; for each, whether it was not there.

        What the session published before and does not any more is removed. Raises ``DistConflict``
        where a file that is not ours, or another session's with other bytes, has one of the names,
        and what ``write`` raises; nothing has changed then.
        """
        with self.locked():
            self._discard_half_made()
            recorded = {e.path: e for e in self.entries()}
            former = self._former(entries, recorded)
            for entry in entries:
                self._check(entry, recorded.get(entry.path), former)
            absent = [entry for entry in entries if not self.in_place(entry)]
            try:
                made = {entry.path: self._made(entry, write) for entry in absent}
                flush([path for path in made.values() if not path.is_symlink()])
                for entry in entries:
                    recorded[entry.path] = _joined(recorded.get(entry.path), entry)
                self._write(recorded)
                for entry in former:
                    self._remove(entry)
                for path, content in made.items():
                    self._put(content, self.root / path)
            finally:
                self._discard_half_made()
            if former:
                self._write({path: e for path, e in recorded.items() if e not in former})
        return [entry in absent for entry in entries]

    def sweep(self) -> None:
        """Remove what a killed process has left of files that it was to publish."""
        if os.path.lexists(self.root / _MAKING):
            with self.locked():
                self._discard_half_made()

    def _discard_half_made(self) -> None:
        """Remove the directory for what is not yet in place, or whatever has its name."""
        place = self.root / _MAKING
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def _put(self, content: Path, place: Path) -> None:
        """Put a file in place; empty directories there go. Raises ``DistConflict`` where it can't."""
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                for folder, _, _ in os.walk(place, topdown=False):
                    os.rmdir(folder)
            os.replace(content, place)
        except OSError as error:
            raise DistConflict(
                f"{self._named(place)} can't be written",
                why=error.strerror,
                hint="remove or rename what is there; the next run writes the file",
            ) from error

    def _named(self, place: Path) -> str:
        return f"{self.root.name}/{place.relative_to(self.root)}"

    def _folders(self, entry: Entry) -> Sequence[Path]:
        """The directories below ``dist/`` that a file is in, the innermost first."""
        return (self.root / entry.path).parents[: len(Path(entry.path).parts) - 1]

    def _check(self, entry: Entry, known: Entry | None, former: Sequence[Entry]) -> None:
        """Raise ``DistConflict`` where an entry may not be published."""
        alien = self._in_the_way(entry, known, former)
        if alien is not None:
            link = alien.is_symlink() and alien.is_dir()
            raise DistConflict(
                f"{self._named(alien)} exists and was not made by mpforge",
                why=f"it is a symlink to {os.readlink(alien)}, and mpforge does not write through symlinks"
                if link
                else None,
                hint="move it away, or delete it if it is an older build",
            )
        if known is None or (known.spec, known.session) == (entry.spec, entry.session):
            return
        same = (known.source, known.options) == (entry.source, entry.options)
        if same and known.digest != entry.digest:
            raise DistConflict(
                f"{entry.session} and {known.session} both produce {entry.path}, with different contents",
                hint='give one of the targets its own folder: [targets.NAME] dist = "…"',
            )

    def _in_the_way(
        self, entry: Entry, known: Entry | None, former: Sequence[Entry]
    ) -> Path | None:
        """What stands where a file shall be, or one of its directories, and is not ours to replace."""
        place = self.root / entry.path
        going = {self.root / old.path for old in former if self.intact(old)}
        for folder in reversed(self._folders(entry)):
            real = folder.is_dir() and not folder.is_symlink()
            if os.path.lexists(folder) and not real and folder not in going:
                return folder
        if place.is_dir() and not place.is_symlink():
            inside = (path for path in place.rglob("*") if path.is_symlink() or not path.is_dir())
            return next((path for path in inside if path not in going), None)
        ours = known is not None or not os.path.lexists(place) or self.intact(entry)
        return None if ours else place

    def _made(self, entry: Entry, write: Write) -> Path:
        """The content of a file, ready to be put in its place."""
        place = self.root / _MAKING / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        write(entry, place)
        return place

    def _former(self, entries: Sequence[Entry], recorded: Mapping[str, Entry]) -> list[Entry]:
        """What the same sessions published before under other names (another version)."""
        makers = {(entry.spec, entry.session) for entry in entries}
        now = {entry.path for entry in entries}
        return [
            known
            for path, known in recorded.items()
            if (known.spec, known.session) in makers and path not in now and not known.users
        ]

    def _remove(self, entry: Entry) -> None:
        """Remove what was ours, unless somebody changed it, and the directories that it leaves empty."""
        place = self.root / entry.path
        if self.intact(entry):
            place.unlink()
            with contextlib.suppress(OSError):
                for folder in self._folders(entry):
                    folder.rmdir()

    def serve(self, entry: Entry, session: str) -> None:
        """Record that a file of another session serves this one too."""
        with self.locked():
            recorded = {e.path: e for e in self.entries()}
            if entry.path in recorded and session not in (entry.session, *entry.users):
                known = recorded[entry.path]
                users = tuple(sorted({*known.users, session}))
                recorded[entry.path] = replace(known, users=users)
                self._write(recorded)

    def record_test(self, entry: Entry, session: str, result: Mapping[str, str]) -> None:
        """Record a test's result with the file that was tested."""
        with self.locked():
            recorded = {e.path: e for e in self.entries()}
            known = recorded.get(entry.path)
            if known is not None and known.digest == entry.digest:
                tests = {**known.tests, session: dict(result)}
                recorded[entry.path] = replace(known, tests=tests)
                self._write(recorded)

    def forget_test(self, entry: Entry, session: str) -> None:
        """Remove what is recorded of a test that fails now."""
        with self.locked():
            recorded = {e.path: e for e in self.entries()}
            known = recorded.get(entry.path)
            if known is not None and session in known.tests:
                tests = {name: result for name, result in known.tests.items() if name != session}
                recorded[entry.path] = replace(known, tests=tests)
                self._write(recorded)

    def _write(self, recorded: Mapping[str, Entry]) -> None:
        dist_record.write(self.root, self.root / _MAKING, list(recorded.values()))


def _joined(known: Entry | None, new: Entry) -> Entry:
    """The same bytes published again: the maker stays, its users and tests too."""
    if known is None or known.digest != new.digest:
        return new
    if known.session == new.session:
        return replace(new, users=known.users, tests=known.tests)
    users = tuple(sorted({*known.users, new.session}))
    return replace(known, users=users)


def digest_of(parts: Mapping[str, str]) -> str:
    """One digest of named digests."""
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()
