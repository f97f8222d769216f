"""Record what this process reads while it looks at a project, for the memo of a run in which nothing changed.

No code has to declare its reads: an audit hook (PEP 578) reports opened files, listed directories, started
programs and connections; ``os.stat`` and the like, which no hook reports, are wrapped while recording.
A process whose reads can't all be known is ``spoiled``: it started another program than git or gcc for a few
known questions, connected to something, or wrote outside of mpforge's own directories.
"""

import contextlib
import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mpforge.errors import SourceUnreadable
from mpforge.sources import git_reads
from mpforge.sources.git_reads import Unlisted
from mpforge.store.file_digests import YOUNG_NS
from mpforge.store.fingerprints import clock_of
from mpforge.store.stamps import ENTRY, PLACE, WHOLE, Stamp, latest, unrecorded
from mpforge.toolchains import gcc
from mpforge.workspace import Workspace

_ASKING = ("stat", "lstat", "readlink", "access", "open")
_CAPABILITIES: tuple[set[Callable[..., Any]], ...] = (
    *(os.supports_dir_fd, os.supports_fd),
    *(os.supports_effective_ids, os.supports_follow_symlinks),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = frozenset(
    f"os.{name}"
    for name in (
        *("chmod", "chown", "link", "mkdir", "remove", "rename"),
        *("rmdir", "symlink", "truncate", "utime"),
    )
)
_CONNECTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind"})
_STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.system"})
_USED = re.compile(r"/store/(actions|blobs|packs)/|/tool\.json$")
"""Files of the cache that are kept by their time of last use, which is their mtime."""
_NOTES = ("hostfiles.json", "hostpythons.jsonl", "portablepythons.jsonl")
"""Notes of the cache: they remember digests of files that are read again, or whose stamps are compared."""


class Reads:
    """The stamps of all that was read, by path and kind, and why they are not all known, if so."""

    def __init__(self, workspace: Workspace) -> None:
        self.spoiled: str | None = None
        self._seen: dict[tuple[str, str], Stamp] = {}
        self._on = False
        self._state, self._cache = str(workspace.shared_state), str(workspace.cache)
        self._started: set[tuple[str, ...]] = set()
        clock = clock_of(workspace.shared_state)
        self._begun = min(clock.now if clock else 0, time.time_ns())
        self._drift = time.time() - time.monotonic()
        self._wrapped = {name: self._listening(name) for name in _ASKING}
        sys.addaudithook(self.hear)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is read in the block."""
        if self._on:
            self.spoiled = "two sessions at once"
        real = {name: getattr(os, name) for name in _ASKING}
        _set(self._wrapped)
        self._on = True
        try:
            yield
        finally:
            self._on = False
            _set(real)

    def paths(self, more: Iterable[str]) -> dict[str, list[str]]:
        """Return all paths that were read, by kind, with those that programs read and ``more``."""
        try:
            unheard = _read_by(self._started)
        except (Unlisted, SourceUnreadable, OSError) as error:
            self.spoiled = str(error)
            unheard = set()
        for path in (*unheard, *more):
            self._add_late(path)
        found: dict[str, list[str]] = {kind: [] for kind in (WHOLE, ENTRY, PLACE)}
        for path, kind in self._seen:
            found[kind].append(path)
        return found

    def are_unchanged(self) -> bool:
        """Return whether all reads are known, and nothing that was read has changed since, or just before.

        What changed just before might change again without another stamp (git calls it racily clean).
        """
        clock_ran_evenly = abs(time.time() - time.monotonic() - self._drift) < 1.0
        same = all(unrecorded(path, kind) == before for (path, kind), before in self._seen.items())
        old = self._is_old(self._seen.values())
        return self.spoiled is None and clock_ran_evenly and same and old

    def _is_old(self, stamps: Iterable[Stamp]) -> bool:
        return latest(stamps) < self._begun - YOUNG_NS

    def _listening(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        kind = PLACE if name == "lstat" else WHOLE

        @functools.wraps(real)
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            flags = named.get("flags", arguments[0] if arguments else 0) if name == "open" else 0
            if self._on and self.spoiled is None and not flags & _WRITES:
                self._add(path, kind, named.get("dir_fd"))
            return real(path, *arguments, **named)

        for can in _CAPABILITIES:
            if real in can:
                can.add(call)
        return call

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """Record an audit event of this process."""
        if not self._on or self.spoiled is not None:
            return
        reads = event in ("open", "os.listdir", "os.scandir")
        if event == "open" and given[2] & _WRITES:
            self._change(given[0])
        elif reads and _is_import():
            return
        elif event == "open" and given[1] is not None:  # None: by os.open, which is wrapped
            self._add(given[0], WHOLE)
        elif event in ("os.listdir", "os.scandir"):
            self._add_folder(given[0] or ".", with_links=event == "os.scandir")
        elif event in _CHANGES:
            for path in given[:2]:
                self._change(path)
        elif event in _STARTS and len(given) > 1:
            self._started.add(tuple(map(os.fsdecode, given[1])))
        elif event in _STARTS or event in _CONNECTS:
            self.spoiled = event

    def _add(self, path: Any, kind: str, folder: int | None = None) -> bool:
        """Add a path if a change of it matters; return whether it does."""
        name = self._absolute(path, folder)
        if name is None or name == os.devnull:
            return False
        if (name, kind) in self._seen:
            return True
        if f"{name}/".startswith(f"{self._state}/"):
            if not name.endswith("/.gitignore"):
                return False
        elif f"{name}/".startswith(f"{self._cache}/"):
            if name.rpartition("/")[2] in _NOTES:
                return False
            kind = ENTRY if _USED.search(name) else PLACE  # temporary files come and go beside them
        elif name.startswith(("/proc/", "/sys/")):
            self.spoiled = name
        self._stamp(name, kind)
        return True

    def _stamp(self, name: str, kind: str) -> None:
        if (name, kind) not in self._seen:
            self._seen[name, kind] = unrecorded(name, kind)

    def _add_folder(self, folder: Any, *, with_links: bool) -> None:
        """Add a directory and the links in it, because ``os.DirEntry`` follows links without an event."""
        name = self._absolute(folder, None)
        if name is None or f"{name}/".startswith(f"{self._state}/"):
            return
        self._stamp(name, WHOLE)
        if with_links:
            self._on = False
            with contextlib.suppress(OSError), os.scandir(name) as entries:
                for link in [entry.path for entry in entries if entry.is_symlink()]:
                    self._add(link, WHOLE)
            self._on = True

    def _add_late(self, path: str) -> None:
        """Add a path that was read earlier, unrecorded; if it is absent now, it must have been so then."""
        if self._add(path, WHOLE):
            found = self._seen.get((path, WHOLE)) or unrecorded(path)
            while len(found) == 1:
                path = os.path.dirname(path)
                found = unrecorded(path)
            if not self._is_old([found]):
                self.spoiled = f"{path} has just changed"

    def _absolute(self, path: Any, folder: int | None) -> str | None:
        """Return a path that doesn't depend on the working directory; None for an open file."""
        if path is None or isinstance(path, int):
            return None
        name = path if type(path) is str else os.fsdecode(path)
        if name[:1] == "/":
            return name
        try:
            base = os.getcwd() if folder is None else _READLINK(f"/proc/self/fd/{folder}")
        except OSError:
            self.spoiled = f"{name} is relative to an unknown directory"
            return None
        return os.path.join(base, name)

    def _change(self, path: Any) -> None:
        name = self._absolute(path, None) if isinstance(path, (str, bytes, os.PathLike)) else None
        own = (f"{self._state}/", f"{self._cache}/", f"{os.devnull}/")
        if name is not None and not f"{name}/".startswith(own):
            self.spoiled = f"{name} was written"


_READLINK = os.readlink


def _read_by(started: Iterable[tuple[str, ...]]) -> set[str]:
    """Return the paths that programs read. Raises ``Unlisted`` if one may have read others."""
    checkouts: set[str] = set()
    found: set[str] = set()
    for argv in started:
        root, command = argv[argv.index("-C") + 1 :][:2] if "-C" in argv else ("", "")
        if argv[0] == "git" and command in git_reads.ANSWERED:
            checkouts.add(root)
            continue
        read = [*gcc.paths(argv[0], argv[1:])]
        if not read:
            raise Unlisted(f"{argv[0]} was started")
        found.update(read)
    return found.union(*(git_reads.paths(Path(root)) for root in checkouts))


def _set(functions: Mapping[str, Callable[..., Any]]) -> None:
    for name, function in functions.items():
        setattr(os, name, function)


def _is_import() -> bool:
    """Return whether an event comes from an import: the libraries' versions are in the memo's key."""
    frame = sys._getframe(2)  # noqa: SLF001 - documented, if private
    return frame.f_code.co_filename.startswith("<frozen importlib")
