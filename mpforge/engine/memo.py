"""The memo of a checkout: the sessions that had nothing to do, and stamps of everything that showed this.

While no stamp changes, these sessions still have nothing to do, and nothing is compiled, hashed or probed:
git's index works like this. Which paths need a stamp is recorded, not declared (``recorded_reads``). A memo
is written only by a process in which no session did anything and whose reads are all known. After any change
the project is examined in full. Every run reads it, so this module imports nothing of the engine.
"""

import atexit
import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpforge
from mpforge.plan.session_end import SessionEnded
from mpforge.store import notes
from mpforge.store.stamps import ENTRY, boot_id, digest
from mpforge.workspace import RUN_ID, Options, Workspace

if TYPE_CHECKING:
    from mpforge.engine.recorded_reads import Reads
    from mpforge.engine.selection import Selection
    from mpforge.plan.events import Event

NAME = "memo.json"
_SCHEMA = 1
_VOLATILE = ("_", "SHLVL", "OLDPWD", "COLUMNS", "LINES", "NOX_CURRENT_SESSION", RUN_ID)
"""Variables that differ between two runs of one command in one shell; they count if the spec names them."""
_WORD = re.compile(r"\w+")
_REPEATED = ("StepHit", "Published", "Tested", "Checked")
"""Events of a cached session that are reported again; after any other it is not kept."""
_MOST_PATHS = 100_000

Answer = tuple[SessionEnded, list[tuple[str, dict[str, Any]]]]
"""How a session ended, and its events by name and fields."""


class Memo:
    """The memo of one checkout, as one process uses it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._reads: Reads | None = None
        self._key = ""
        self._new: dict[str, Any] = {}
        self._usable = True
        self._held: tuple[int, dict[str, Any] | None] | None = None

    def answer(self, session: str, selection: "Selection", *, since: int) -> Answer | None:
        """Return a session's answer if nothing has changed, which is checked once for each ``since``."""
        if not self._usable:
            return None
        if self._held is None or self._held[0] != since:
            self._held = since, _load(self._workspace)
        noted = self._held[1]
        found = None if noted is None else noted["sessions"].get(_named(session, selection))
        return found and (SessionEnded(**found[0]), found[1])

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what a full examination in the block reads."""
        if not self._usable:
            yield
            return
        if self._reads is None:
            from mpforge.engine.recorded_reads import Reads

            self._reads, self._key = Reads(self._workspace), _key(self._workspace)
            atexit.register(self.write)
        with self._reads.recording():
            yield

    def keep(
        self, selection: "Selection", ended: SessionEnded, events: "Collection[Event]"
    ) -> None:
        """Remember how a full examination ended, to write it at the end of the process."""
        if (
            ended.status not in ("cached", "checked", "not-run")
            or _key(self._workspace) != self._key
        ):
            self.give_up()
        said = [(type(event).__name__, asdict(event)) for event in events]
        if all(name in _REPEATED and not fields.get("fresh") for name, fields in said):
            self._new[_named(ended.session, selection)] = asdict(ended), said

    def give_up(self) -> None:
        """Use no memo in the rest of this process: something was done, or was read unrecorded."""
        self._usable = False
        if self._reads is not None:
            self._reads.spoiled = "something was done"

    def write(self) -> None:
        """Write the sessions of this process; those of the memo stay if nothing changed meanwhile."""
        if not self._usable or not self._new or self._reads is None:
            return
        paths, noted = self._reads.paths([*_libraries()]), _load(self._workspace)
        if noted is not None:
            paths = {kind: sorted({*more, *noted["paths"][kind]}) for kind, more in paths.items()}
        memo = {
            "key": self._key,
            "paths": paths,
            "stamps": digest(paths),
            "sessions": {**(noted["sessions"] if noted is not None else {}), **self._new},
        }
        # The digest is of the present; it must be that of the time when everything was read.
        still = noted is None or noted["stamps"] == digest(noted["paths"])
        if still and self._reads.are_unchanged() and sum(map(len, paths.values())) < _MOST_PATHS:
            notes.keep(self._workspace.state / NAME, memo)


def _load(workspace: Workspace) -> dict[str, Any] | None:
    """Return the memo if it is this mpforge's, of this checkout and environment, and nothing changed."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        noted: dict[str, Any] = notes.load(workspace.state / NAME)
        if noted["key"] == _key(workspace) and noted["stamps"] == digest(noted["paths"]):
            for path in noted["paths"][ENTRY]:
                with contextlib.suppress(OSError):
                    os.utime(path)  # it is used now
            return noted
    return None


def _key(workspace: Workspace) -> str:
    """Return a digest of everything but files that may change an answer."""
    text = ""
    with contextlib.suppress(OSError):  # the look will say so
        text = workspace.spec.read_text("utf-8", "replace")
    volatile = {*_VOLATILE}.difference(_WORD.findall(text))
    variables = {name: value for name, value in os.environ.items() if name not in volatile}
    host = *os.uname(), boot_id(), os.getuid(), os.getgid()
    python = sys.version, sys.executable, sys.prefix, sys.path
    parts = [_SCHEMA, mpforge.__version__, str(workspace.spec), str(workspace.cache), os.getcwd()]
    return hashlib.sha256(
        repr([parts, host, python, sorted(variables.items())]).encode()
    ).hexdigest()


def _libraries() -> Iterator[str]:
    """Yield one path that changes with mpforge, and one for each directory of Python's libraries."""
    yield mpforge.__file__
    yield from (str(Path(folder).absolute()) for folder in sys.path if os.path.isdir(folder))


def _named(session: str, selection: "Selection") -> str:
    chosen = json.dumps([sorted(selection.names), sorted(selection.named)])
    return f"{session} {hashlib.sha256(chosen.encode()).hexdigest()[:16]}"


def suits(options: Options, posargs: tuple[str, ...]) -> bool:
    """Return whether a run with these options may use and write a memo."""
    return os.name == "posix" and not (options.no_cache or options.keep or posargs)
