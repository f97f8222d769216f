"""``dist/`` and its record: what is published, by whom, and what it was made of.

Only files that ``dist/mpforge.json`` says are ours are replaced or removed, atomically, under a lock.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from mpforge.errors import DistConflict
from mpforge.store.files import hash_file, write_atomically

RECORD = "mpforge.json"


@dataclass(frozen=True)
class Entry:
    """One file of ``dist/``.

    ``path`` is relative to ``dist/``; ``session`` of ``spec`` made it, ``users`` are the other
    sessions that it serves. ``source`` and ``options`` tell what it was built from, ``recipe``
    everything that was known before building, ``store`` which machine's store it came from.
    ``tests`` maps a test session to what it reported.
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
    tests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Dist:
    """The ``dist/`` directory of a checkout, as one of its specs sees it; ``state`` keeps its lock."""

    def __init__(self, root: Path, state: Path, spec: str = "multiplatform.toml") -> None:
        self.root = root
        self._spec = spec
        self._lock_path = state / "dist.lock"

    def entries(self) -> tuple[Entry, ...]:
        """What the record holds; an unreadable record holds nothing."""
        try:
            data = json.loads((self.root / RECORD).read_text(encoding="utf-8"))
            return tuple(_entry(item) for item in data["files"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ()

    def of(self, session: str) -> tuple[Entry, ...]:
        """The files that a session made or that serve it."""
        entries = [entry for entry in self.entries() if entry.spec == self._spec]
        return tuple(e for e in entries if session == e.session or session in e.users)

    def intact(self, entry: Entry) -> bool:
        """Whether the file is there with the recorded content."""
        path = self.root / entry.path
        return path.is_file() and hash_file(path).digest == entry.digest

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes ``dist/`` meanwhile."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock_path):
            yield

    def publish(self, entry: Entry, content: Path, *, beside: Collection[str] = ()) -> bool:
        """Put a file in place and record it; False where it was there already.

        ``beside`` are the paths that the session publishes along with it: they stay until their turn.
        Raises ``DistConflict`` where a file that is not ours, or another session's with other bytes,
        has that name.
        """
        with self.locked():
            recorded = {e.path: e for e in self.entries()}
            known = recorded.get(entry.path)
            place = self.root / entry.path
            self._check(entry, known, place)
            fresh = not (place.is_file() and hash_file(place).digest == entry.digest)
            if fresh:
                place.parent.mkdir(parents=True, exist_ok=True)
                _copy_atomically(content, place)
            self._forget_former(entry, recorded, beside)
            if known is not None and known.digest == entry.digest:
                entry = _joined(known, entry)
            recorded[entry.path] = entry
            self._write(recorded)
        return fresh

    def _check(self, entry: Entry, known: Entry | None, place: Path) -> None:
        if not place.exists() and known is None:
            return
        if known is None and hash_file(place).digest != entry.digest:
            raise DistConflict(
                f"dist/{entry.path} is there and was not made by mpforge",
                hint="move it away, or delete it if it is an older build",
            )
        other = known is not None and (known.spec, known.session) != (entry.spec, entry.session)
        if known is not None and other and known.digest != entry.digest:
            same = (known.source, known.options) == (entry.source, entry.options)
            if same:
                raise DistConflict(
                    f"{entry.session} and {known.session} both make {entry.path}, with other bytes",
                    hint='give one of the targets its own folder: [targets.NAME] dist = "…"',
                )

    def _forget_former(
        self, entry: Entry, recorded: dict[str, Entry], beside: Collection[str]
    ) -> None:
        """Remove what the same session published under another name before (another version)."""
        for path, former in list(recorded.items()):
            same = (former.spec, former.session) == (entry.spec, entry.session)
            mine = same and not former.users
            if mine and path not in (entry.path, *beside) and former.recipe != entry.recipe:
                with contextlib.suppress(FileNotFoundError):
                    if self.intact(former):
                        (self.root / path).unlink()
                del recorded[path]

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
        write_atomically(self.root / RECORD, text.encode())


def _entry(item: dict[str, Any]) -> Entry:
    """Read one file's record, which may come from another machine. ``ValueError`` for a bad path."""
    path = PurePosixPath(item["path"])
    if path.is_absolute() or ".." in path.parts or "\\" in item["path"]:
        raise ValueError(f"{item['path']} leaves dist/")
    lists = {name: tuple(item.get(name, ())) for name in ("tags", "users")}
    return Entry(**{**item, **lists})


def _joined(known: Entry, new: Entry) -> Entry:
    """The same bytes published again: the maker stays, its users and tests too."""
    if known.session == new.session:
        return replace(new, users=known.users, tests=known.tests)
    users = tuple(sorted({*known.users, new.session}))
    return replace(known, users=users)


def _copy_atomically(content: Path, place: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".mpforge-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file, content.open("rb") as original:
            shutil.copyfileobj(original, file)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o755 if content.stat().st_mode & 0o100 else 0o644)
        os.replace(name, place)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def digest_of(parts: Mapping[str, str]) -> str:
    """One digest of named digests."""
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()
