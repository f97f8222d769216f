"""Read ``.mpforge/report.jsonl`` into what a report shows: sessions, their steps, files and tests.

Knows nothing of the forms (``junit``, ``run_page``, ``markdown``) that show it.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mpforge.errors import NothingSelected
from mpforge.plan.session_end import SessionEnded
from mpforge.reports.journal import REPORT, ended_of
from mpforge.store.files import hash_file, regular
from mpforge.workspace import Workspace

_LOG = 60_000
"""Bytes of a log's end that a report has."""


@dataclass
class Work:
    """A step that ran, or other long work: times in seconds since the epoch, and why it was not cached."""

    what: str
    begun: float
    seconds: float = 0.0
    cpu_seconds: float | None = None
    failed: bool = False
    why: tuple[str, ...] = ()
    step: str = ""


@dataclass(frozen=True)
class File:
    """A file of ``dist/``; ``size`` is in bytes, None if it is not as it was then."""

    path: str
    size: int | None
    fresh: bool


@dataclass
class Session:
    """A session of a run, in the order of their beginnings; ``hits`` are its steps that the store had."""

    name: str
    run: str
    begun: float
    last: float
    end: SessionEnded | None = None
    work: list[Work] = field(default_factory=list)
    hits: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    log: str = ""

    @property
    def status(self) -> str:
        """Its status; ``unfinished`` if the run was killed."""
        return self.end.status if self.end is not None else "unfinished"

    @property
    def reason(self) -> str:
        """Its end in words."""
        return self.end.reason if self.end is not None else "the run ended before it"

    @property
    def seconds(self) -> float:
        """Its duration."""
        return max(0.0, self.last - self.begun)


@dataclass(frozen=True)
class RunReport:
    """A run, or several: the sessions, each with its last outcome, and how each target was built."""

    spec: str
    sessions: tuple[Session, ...]
    chosen: Mapping[str, str]

    @property
    def outcomes(self) -> list[SessionEnded]:
        """The ends of the sessions that have one."""
        return [session.end for session in self.sessions if session.end is not None]

    @property
    def single(self) -> list[Session]:
        """The sessions without groups."""
        return [s for s in self.sessions if s.end is None or not s.end.group]


def read(workspace: Workspace, *, run: str | None = None, every: bool = False) -> RunReport:
    """Return the last run, the named one, or all that the report has.

    Raises ``NothingSelected`` if there is none.
    """
    records = list(_records(workspace.state / REPORT))
    runs = list(dict.fromkeys(str(record.get("run")) for record in records))
    wanted = set(runs if every else [run] if run else runs[-1:])
    records = [record for record in records if record.get("run") in wanted]
    if not records:
        raise NothingSelected(
            f"this checkout has no run {run}" if run else "this checkout has no recorded runs",
            why=f"{workspace.state / REPORT} has every run of this checkout",
            hint="mpforge run SESSION" + (f"; known runs: {' '.join(runs[-5:])}" if runs else ""),
        )
    found: dict[str, Session] = {}
    chosen: dict[str, str] = {}
    for record in records:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            _take(record, found, chosen, workspace)
    for session in found.values():
        session.log = _log_end(workspace.logs(session.name), session.begun)
    return RunReport(workspace.spec.name, tuple(found.values()), chosen)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines that are whole; a killed process may leave half of one."""
    try:
        with regular(path) as file:
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def _take(
    record: Mapping[str, Any],
    found: dict[str, Session],
    chosen: dict[str, str],
    workspace: Workspace,
) -> None:
    """Add an event to its session.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for a malformed one.
    """
    now = datetime.fromisoformat(record["time"]).timestamp()
    session = _session_of(record, found, now)
    match record["event"]:
        case "Chosen":
            told = f"{record['strategy']} with {record['toolchain']}: {record['why']}"
            chosen[str(record["target"])] = told
        case "StepStarted" | "Working":
            session.work.append(_begun(workspace, record, now))
        case "StepEnded" | "WorkEnded":
            _end(session, record)
        case "StepHit":
            session.hits[str(record["step"])] = str(record["key"])
        case "Published":
            session.files.append(_file(workspace, record))
        case "Tested" | "Checked":
            session.tested.append(_test(record))
        case "Warned":
            session.warnings.append(str(record["message"]))
        case "SessionEnded":
            session.end = ended_of(dict(record))


def _session_of(record: Mapping[str, Any], found: dict[str, Session], now: float) -> Session:
    """Return the session of an event; of several runs, the last counts."""
    name = str(record["session"])
    known = found.get(name)
    if known is None or record["event"] == "SessionStarted" or known.run != record["run"]:
        found.pop(name, None)
        known = found[name] = Session(name, record["run"], now, now)
    if known.end is None:  # the first build publishes the sdist, whose session has ended
        known.last = now
    return known


def _begun(workspace: Workspace, record: Mapping[str, Any], now: float) -> Work:
    if record["event"] == "Working":
        return Work(str(record["what"]), now)
    why = tuple(filter(None, [record.get("why")])) or _changes(workspace, record["step"], now)
    return Work(str(record["title"]), now, why=why, step=str(record["step"]))


def _end(session: Session, record: Mapping[str, Any]) -> None:
    """Add its times to the work that has ended."""
    step, what = record.get("step"), record.get("what")
    for work in reversed(session.work):
        if not work.seconds and (work.step == step if step else work.what == what):
            work.seconds = float(record["seconds"])
            work.cpu_seconds = record.get("cpu_seconds")
            work.failed = bool(record.get("failed"))
            return


def _file(workspace: Workspace, record: Mapping[str, Any]) -> File:
    path, size = workspace.root / str(record["path"]), None
    with contextlib.suppress(OSError):
        node = hash_file(path)
        size = node.size if node.digest == record["digest"] else None
    return File(str(record["path"]), size, bool(record["fresh"]))


def _test(record: Mapping[str, Any]) -> str:
    if record["event"] == "Checked":
        return f"{record['files']}: checked, not run: {record['why']}"
    cpu = f" ({record['cpu']})" if record["cpu"] else ""
    word = "imported" if record["import_only"] else "tested"
    return f"{record['wheel']}: {word} on {record['machine']}{cpu}, {record['level']}"


def _changes(workspace: Workspace, step: str, started: float) -> tuple[str, ...]:
    """Return what changed in a step's key before it ran, as far as that is still recorded."""
    from mpforge.engine.preview import changes

    place = workspace.state / "keys" / f"{step}.json"
    try:
        of_this_run = place.stat().st_mtime >= started - 60.0  # written just before the step starts
    except OSError:
        return ()
    if not of_this_run:
        return ("its result was no longer in the store",)
    found = changes(workspace, step)
    if found is None:
        return ("it had not run in this checkout",)
    return tuple(str(difference) for difference in found.differences)


def _log_end(path: Path, begun: float) -> str:
    """Return the end of a session's log if it was written since the session began, else nothing."""
    try:
        with regular(path) as file:
            status = path.stat()
            if status.st_mtime < begun - 1.0:
                return ""
            file.seek(max(0, status.st_size - _LOG))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return f"[…]\n{text}" if status.st_size > _LOG else text


def durations(sessions: Iterable[Session]) -> tuple[float, float]:
    """Return when the first of some sessions began and the last ended, in seconds since the epoch."""
    times = [(session.begun, session.last) for session in sessions]
    return min(begun for begun, _ in times), max(last for _, last in times)
