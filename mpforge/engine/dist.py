"""``dist/`` and its record: what is published, by whom, and what it was made of.

Only files that ``dist/mpforge.json`` says are ours are replaced or removed, atomically, under a lock. What
is published together is recorded together, before the first file is put in place: whenever a process is
killed, each file of ours is known to be ours, and what is missing is seen to be missing.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mpforge.errors import DistConflict
from mpforge.store.files import hash_file, write_atomically
from mpforge.store.locks import alone
from mpforge.store.shelf import flush

RECORD = "mpforge.json"
_MAKING = ".mpforge-new"

Write = Callable[["Entry", Path], None]
"""Writes what an entry says to a path that nothing has yet."""


@dataclass(frozen=True)
class Entry:
    """One file of ``dist/``.

    ``path`` is relative to ``dist/``; ``session`` of ``spec`` made it, ``users`` are the other
    sessions that it serves. ``source`` and ``options`` tell what it was built from, ``recipe``
    everything that was known before building, ``store`` which machine's store it came from.
    ``observed`` are the keys under which the store has what was read of the host for it.
    ``tests`` maps a test session to what it reported. A ``symlink`` is recorded with its target,
    whose bytes are what ``digest`` is of.
    """

    path: str
    digest: str
    session: str
    target: str | None
    python: str | None
    source: str
    options: str
    recipe: str
    key: str
    store: str
    strategy: str
    host: str
    spec: str = "multiplatform.toml"
    tags: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    executable: bool = False
    symlink: str | None = None
    tests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Dist:
    """The ``dist/`` directory of a checkout, as one of its specs sees it; ``state`` keeps its lock."""

    def __init__(self, root: Path, state: Path, spec: str = "multiplatform.toml") -> None:
        self.root = root
        self._spec = spec
        self._lock_path = state / "dist.lock"

    def entries(self) -> tuple[Entry, ...]:
        """What the record holds; an unreadable record holds nothing."""
        return self._read() or ()

    def _read(self) -> tuple[Entry, ...] | None:
        """What the record holds; None where there is one that can't be understood."""
        try:
            data = json.loads((self.root / RECORD).read_text(encoding="utf-8"))
            return tuple(_entry(item) for item in data["files"])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def set_damaged_aside(self) -> Path | None:
        """Move a record that can't be understood away, so that nothing in it is lost; where to."""
        with self.locked():
            if self._read() is not None:
                return None
            place = self._lock_path.with_name(f"damaged-{RECORD}")
            os.replace(self.root / RECORD, place)
        return place

    def of(self, session: str) -> tuple[Entry, ...]:
        """The files that a session made or that serve it."""
        entries = [entry for entry in self.entries() if entry.spec == self._spec]
        return tuple(e for e in entries if session == e.session or session in e.users)

    def intact(self, entry: Entry) -> bool:
        """Whether the file is there with the recorded content; what carries files may drop modes."""
        path = self.root / entry.path
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
        """Nobody else changes ``dist/`` meanwhile."""
        with alone(self._lock_path, waits=lambda: None, warn=lambda _why: None):
            yield

    def publish(self, entries: Sequence[Entry], write: Write) -> list[bool]:
        """Put all files of a session in place and record them; for each, whether it was not there.

        What the session published before and does not any more is removed. Raises ``DistConflict``
        where a file that is not ours, or another session's with other bytes, has one of the names,
        and what ``write`` raises; nothing has changed then.
        """
        with self.locked():
            shutil.rmtree(self.root / _MAKING, ignore_errors=True)
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
                    (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(content, self.root / path)
            finally:
                shutil.rmtree(self.root / _MAKING, ignore_errors=True)
            if former:
                self._write({path: e for path, e in recorded.items() if e not in former})
        return [entry in absent for entry in entries]

    def sweep(self) -> None:
        """Remove what a killed process has left of files that it was to publish."""
        if (self.root / _MAKING).is_dir():
            with self.locked():
                shutil.rmtree(self.root / _MAKING, ignore_errors=True)

    def _check(self, entry: Entry, known: Entry | None, former: Sequence[Entry]) -> None:
        """Raise ``DistConflict`` where an entry may not be published."""
        alien = self._in_the_way(entry, known, former)
        if alien is not None:
            raise DistConflict(
                f"{self.root.name}/{alien.relative_to(self.root)} is there and was not made by mpforge",
                hint="move it away, or delete it if it is an older build",
            )
        if known is None or (known.spec, known.session) == (entry.spec, entry.session):
            return
        same = (known.source, known.options) == (entry.source, entry.options)
        if same and known.digest != entry.digest:
            raise DistConflict(
                f"{entry.session} and {known.session} both make {entry.path}, with other bytes",
                hint='give one of the targets its own folder: [targets.NAME] dist = "…"',
            )

    def _in_the_way(
        self, entry: Entry, known: Entry | None, former: Sequence[Entry]
    ) -> Path | None:
        """What stands where a file shall be, or one of its directories, and is not ours to replace."""
        place = self.root / entry.path
        going = {self.root / old.path for old in former if self.intact(old)}
        for folder in place.parents[: len(Path(entry.path).parts) - 1]:
            if os.path.lexists(folder) and not folder.is_dir() and folder not in going:
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
                for folder in place.parents[: len(Path(entry.path).parts) - 1]:
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
        files = [asdict(recorded[path]) for path in sorted(recorded)]
        text = json.dumps({"schema": 1, "files": files}, indent=1, sort_keys=True) + "\n"
        making = self.root / _MAKING / RECORD
        write_atomically(making, text.encode())  # a crash leaves nothing beside the published files
        os.replace(making, self.root / RECORD)
        with contextlib.suppress(OSError):
            making.parent.rmdir()


def _entry(item: dict[str, Any]) -> Entry:
    """Read one file's record, which may come from another machine. ``ValueError`` for a bad path."""
    path = PurePosixPath(item["path"])
    if path.is_absolute() or ".." in path.parts or "\\" in item["path"]:
        raise ValueError(f"{item['path']} leaves dist/")
    lists = {name: tuple(item.get(name, ())) for name in ("tags", "users", "observed")}
    return Entry(**{**item, **lists})


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
