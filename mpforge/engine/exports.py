"""Collect what sessions need or made into an archive, and import it from one.

An archive has the results of the sessions' steps, of the steps that these needed, and the files of ``dist/``
with their entries. Tools (compilers, Pythons, emulators) are not in it: the lock pins them, so that every
machine obtains the same ones. Runs no step, fetches nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mpforge import __version__
from mpforge.engine.dist import Dist, Entry, from_json, to_json
from mpforge.engine.load_plan import Compiled
from mpforge.engine.realize import NotMade
from mpforge.engine.session import see_shipped
from mpforge.engine.session_run import SessionRun
from mpforge.errors import Damaged, MpforgeError, NotStored
from mpforge.kinds.observed_reads import key_with
from mpforge.plan.sessions import PlannedSession
from mpforge.store import archive
from mpforge.store.local import opened
from mpforge.store.protocols import SessionStore
from mpforge.store.results import ActionResult
from mpforge.workspace import Options, Workspace


@dataclass
class Export:
    """The content of an archive to write: results by key, and entries of ``dist/`` by path."""

    results: dict[str, ActionResult] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


def export(
    found: Compiled,
    workspace: Workspace,
    named: Sequence[PlannedSession],
    every: Iterable[PlannedSession],
    place: Path,
) -> tuple[Export, int]:
    """Write what ``every`` session needs or made: the ``named`` ones and those that they require.

    Return what was written and the archive's size. Raises ``NotStored`` if a named session has no result,
    ``Damaged``, ``FileTrouble``.
    """
    collected = Export()
    lacking = [s.name for s in every if not _add(collected, found, workspace, s) and s in named]
    if lacking:
        raise NotStored(
            f"neither the store nor dist/ has a result of {', '.join(lacking)}",
            why="a session can be exported only after it has run with the spec, the lock and the source "
            "files as they are now; results of steps that see secrets are never stored",
            hint=f"mpforge run {' '.join(map(workspace.called, lacking))}; `mpforge explain "
            f"{workspace.called(lacking[0])}` shows what changed since its last run",
        )
    _add_inputs(collected, found.store)
    files = {
        entry.digest: workspace.dist / path
        for path, entry in collected.entries.items()
        if entry.symlink is None
    }
    about = {
        "sessions": [session.name for session in named],
        "files": [to_json(entry) for _, entry in sorted(collected.entries.items())],
    }
    size = archive.write(
        place,
        found.store,
        collected.results.values(),
        files=files,
        about=about,
        mpforge=__version__,
    )
    return collected, size


def _add(collected: Export, found: Compiled, workspace: Workspace, session: PlannedSession) -> bool:
    """Add a session's results and files; return whether its own result is among them."""
    if session.group:
        return True
    options = Options(locked=True)
    run = SessionRun(found, session, workspace, options, lambda _event: None, dry=True)
    shipped: tuple[Entry, ...] = ()
    if session.phase in ("sdist", "build"):
        shipped = run.shipping.matching(session)
        collected.entries |= {entry.path: entry for entry in shipped}
    try:
        if session.phase == "test":
            see_shipped(run)
        for identifier in session.steps:
            result, _ = run.realizer.realize(identifier)
            collected.results[result.key] = result
    except (NotMade, MpforgeError):
        return bool(shipped)
    return True


def _add_inputs(collected: Export, store: SessionStore) -> None:
    """Add the results that the collected ones were made from, as far as they are stored."""
    pending = list(collected.results.values())
    while pending:
        result = pending.pop()
        for key in result.inputs:
            try:
                made = None if key in collected.results else store.find(key)
                if made is not None:
                    store.check(store.tree(made.tree))
            except Damaged:
                continue
            if made is not None:
                collected.results[key] = made
                pending.append(made)
    # A result that read files of the host is also stored under a key that includes them.
    for result in [result for result in collected.results.values() if result.observed]:
        other = key_with(result.key, result.observed)
        collected.results[other] = replace(result, key=other)


# --- taking over ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """The content of an archive that was read.

    ``files`` are those for ``dist/``, by path; the caller puts them there.
    """

    sessions: tuple[str, ...]
    results: int
    files: Mapping[str, Entry]


def import_results(place: Path, cache: Path) -> Import:
    """Add an archive's results to the store of a cache. Raises ``ArchiveInvalid``, ``FileTrouble``."""

    def read(about: Mapping[str, Any]) -> Import:
        entries = [from_json(item) for item in about["files"]]
        sessions = tuple(str(name) for name in about["sessions"])
        return Import(sessions, len(about["results"]), {entry.path: entry for entry in entries})

    return archive.read(place, cache / "store", read)


def put_files(imported: Import, workspace: Workspace) -> list[str]:
    """Put an archive's files in ``dist/`` with their records; return the paths that were added.

    Files of another spec are left out. Raises ``DistConflict``, ``Damaged``.
    """
    store = opened(workspace.cache / "store")
    dist = Dist(workspace.dist, workspace.shared_state, workspace.spec.name)
    entries = [e for e in imported.files.values() if e.spec == workspace.spec.name]

    def write(entry: Entry, place: Path) -> None:
        if entry.symlink is not None:
            place.symlink_to(entry.symlink)
        else:
            store.copy_out(entry.digest, place, executable=entry.executable)

    added = dist.publish(entries, write)
    for entry in entries:  # of a file that was there already, only its own tests are recorded
        for session, result in entry.tests.items():
            dist.record_test(entry, session, {k: str(v) for k, v in result.items()})
    return [entry.path for entry, new in zip(entries, added, strict=True) if new]
