"""Publish files in ``dist/`` and record who made each of them, and from what.

Only files that ``dist/mpforge.json`` records as ours are replaced or removed, atomically, under a lock. Files
that are published together are recorded together, before the first one is put in place: whenever a process is
killed, each of our files is known to be ours, and a missing one is noticed.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mpforge.errors import UPDATE, DistConflict, written_by_newer
from mpforge.plan.codec import decode, encode
from mpforge.store import notes
from mpforge.store.directory_backend import flush
from mpforge.store.files import hash_file, make_way, write_atomically
from mpforge.store.locks import alone

RECORD = "mpforge.json"
SCHEMA = 1
_MAKING = ".mpforge-new"


@dataclass(frozen=True)
class Entry:
    """One file of ``dist/``.

    ``path`` is relative to ``dist/``; ``session`` of ``spec`` made it, ``users`` are the other sessions that
    use it. ``source`` and ``options`` are digests of its source and of the options of its build, ``recipe``
    of everything known before the build; ``store`` identifies the store (and machine) it came from. ``cpu``
    is the oldest CPU that it runs on, by GCC's name.
    ``observed`` are the keys under which the store keeps the files of the host that its build read. ``tests``
    maps a test session to its result. A ``symlink`` is recorded with its target; ``digest`` is that of the
    target's bytes. ``unknown`` are fields written by a newer mpforge.
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
    cpu: str | None = None
    tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)


_KNOWN = {each.name for each in fields(Entry)} - {"unknown"}

Write = Callable[[Entry, Path], None]
"""Function that writes the content of an entry to a path that does not exist yet."""


class Dist:
    """The ``dist/`` directory of a checkout, as one of its specs sees it; its lock is kept in ``state``."""

    def __init__(self, root: Path, state: Path, spec: str = "multiplatform.toml") -> None:
        self.root = root
        self._spec = spec
        self._lock_path = state / "dist.lock"

    def entries(self) -> tuple[Entry, ...]:
        """Return the recorded entries; none if the record can't be read.

        Raises ``DistConflict`` for a record of a newer schema.
        """
        return _read(self.root) or ()

    def set_damaged_aside(self) -> Path | None:
        """Rename a record that can't be parsed, so that nothing in it is lost; return its new path."""
        with self.locked():
            if _read(self.root) is not None:
                return None
            names = (f"damaged-{number}-{RECORD}" for number in itertools.count(1))
            places = map(self._lock_path.with_name, names)
            place = next(place for place in places if not os.path.lexists(place))
            os.replace(self.root / RECORD, place)
        return place

    def of(self, session: str) -> tuple[Entry, ...]:
        """Return the entries of files that a session made or uses."""
        entries = [entry for entry in self.entries() if entry.spec == self._spec]
        return tuple(e for e in entries if session == e.session or session in e.users)

    def intact(self, entry: Entry) -> bool:
        """Return whether the file has the recorded content; its mode may be lost in a transfer."""
        path = self.root / entry.path
        if any(map(Path.is_symlink, self._folders(entry))):
            return False
        if entry.symlink is not None:
            return path.is_symlink() and os.readlink(path) == entry.symlink
        whole = path.is_file() and not path.is_symlink()
        return whole and hash_file(path).digest == entry.digest

    def in_place(self, entry: Entry) -> bool:
        """Return whether the file is as it was published: with its content and its executable bit."""
        path = self.root / entry.path
        if not self.intact(entry):
            return False
        return entry.symlink is not None or os.access(path, os.X_OK) == entry.executable

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock on ``dist/``. Raises ``DistConflict`` if it is not a directory."""
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
        """Put all files of a session in place and record them; return for each whether it was added.

        Files that the session published before and no longer makes are removed. Raises ``DistConflict`` if a
        name is taken by a file that is not ours, or by another session's file with other bytes, and whatever
        ``write`` raises; in both cases nothing has changed.
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
        """Remove temporary files that a killed process left."""
        if os.path.lexists(self.root / _MAKING):
            with self.locked():
                self._discard_half_made()

    def _discard_half_made(self) -> None:
        """Remove the directory of temporary files, or whatever has its name."""
        place = self.root / _MAKING
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def _put(self, content: Path, place: Path) -> None:
        """Move a file into place, replacing empty directories. Raises ``DistConflict`` if it can't."""
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
        """Return the directories below ``dist/`` that hold a file, the innermost first."""
        return (self.root / entry.path).parents[: len(Path(entry.path).parts) - 1]

    def _check(self, entry: Entry, known: Entry | None, former: Sequence[Entry]) -> None:
        """Raise ``DistConflict`` if an entry may not be published."""
        alien = self._in_the_way(entry, known, former)
        if alien is not None:
            why = None
            if alien.is_symlink() and alien.is_dir():
                why = f"it is a symlink to {os.readlink(alien)}, and mpforge does not write through symlinks"
            raise DistConflict(
                f"{self._named(alien)} exists and was not made by mpforge",
                why=why,
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
        """Return the path at a file's place, or at one of its directories, that is not ours to replace."""
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
        """Write the content of a file to a temporary path and return it."""
        place = self.root / _MAKING / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        write(entry, place)
        return place

    def _former(self, entries: Sequence[Entry], recorded: Mapping[str, Entry]) -> list[Entry]:
        """Return entries that the same sessions published before under other names (another version)."""
        makers = {(entry.spec, entry.session) for entry in entries}
        now = {entry.path for entry in entries}
        return [
            known
            for path, known in recorded.items()
            if (known.spec, known.session) in makers and path not in now and not known.users
        ]

    def _remove(self, entry: Entry) -> None:
        """Remove a file of ours, unless it was changed since, and the directories that become empty."""
        place = self.root / entry.path
        if self.intact(entry):
            place.unlink()
            with contextlib.suppress(OSError):
                for folder in self._folders(entry):
                    folder.rmdir()

    def serve(self, entry: Entry, session: str) -> None:
        """Record that another session's file is also used by this one."""
        self._change(entry, lambda known: _used_by(known, session))

    def record_test(self, entry: Entry, session: str, result: Mapping[str, str]) -> None:
        """Record a test's result with the file that was tested."""

        def tested(known: Entry) -> Entry:
            same = known.digest == entry.digest
            return replace(known, tests={**known.tests, session: dict(result)}) if same else known

        self._change(entry, tested)

    def forget_test(self, entry: Entry, session: str) -> None:
        """Remove the recorded result of a test that fails now."""

        def untested(known: Entry) -> Entry:
            others = {name: result for name, result in known.tests.items() if name != session}
            return replace(known, tests=others)

        self._change(entry, untested)

    def _change(self, entry: Entry, changed: Callable[[Entry], Entry]) -> None:
        """Replace the recorded entry of a file, if there is one and it changes."""
        with self.locked():
            recorded = {e.path: e for e in self.entries()}
            known = recorded.get(entry.path)
            if known is not None and (new := changed(known)) != known:
                self._write({**recorded, entry.path: new})

    def _write(self, recorded: Mapping[str, Entry]) -> None:
        _write(self.root, self.root / _MAKING, list(recorded.values()))


def _joined(known: Entry | None, new: Entry) -> Entry:
    """Merge two entries of equal bytes: keep the maker, join users and tests."""
    if known is None or known.digest != new.digest:
        return new
    if known.session == new.session:
        return replace(new, users=known.users, tests=known.tests)
    return _used_by(known, new.session)


def _used_by(entry: Entry, session: str) -> Entry:
    """Return an entry with one more user, unless the session made the file itself."""
    users = {*entry.users, session} - {entry.session}
    return replace(entry, users=tuple(sorted(users)))


def digest_of(parts: Mapping[str, str]) -> str:
    """Return one digest of named digests."""
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()


# --- the record: fields that this version does not know are kept --------------------------------


def _read(dist: Path) -> tuple[Entry, ...] | None:
    """Return the entries recorded in ``dist/``; None if the record can't be parsed.

    Raises ``DistConflict`` for a record of a newer schema.
    """
    try:
        data = json.loads(notes.read(dist / RECORD))
        if type(data["schema"]) is int and data["schema"] > SCHEMA:
            raise DistConflict(
                written_by_newer(f"{dist.name}/{RECORD}", data["schema"], SCHEMA),
                hint=f"{UPDATE}, or move {dist.name}/ away",
            )
        return tuple(from_json(item) for item in data["files"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def from_json(item: Mapping[str, Any]) -> Entry:
    """Parse one file's entry, which may come from another machine.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a bad one.
    """
    path = PurePosixPath(item["path"])
    if path.is_absolute() or not path.parts or ".." in path.parts or {"\\", "\0"} & set(str(path)):
        raise ValueError(f"{item['path']} leaves dist/")
    known = decode(Entry, {name: value for name, value in item.items() if name in _KNOWN})
    unknown = {name: value for name, value in item.items() if name not in _KNOWN}
    return replace(known, unknown=unknown)


def _write(dist: Path, making: Path, entries: Sequence[Entry]) -> None:
    """Replace the record; ``making`` is the directory for temporary files.

    A crash leaves nothing next to the published files.
    """
    files = [to_json(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    text = json.dumps({"schema": SCHEMA, "files": files}, indent=1, sort_keys=True) + "\n"
    write_atomically(dist / RECORD, text.encode(), below=making)
    with contextlib.suppress(OSError):
        making.rmdir()


def to_json(entry: Entry) -> dict[str, Any]:
    """Return a file's entry as the record has it."""
    data = encode(entry)
    return {**data.pop("unknown"), **data}
