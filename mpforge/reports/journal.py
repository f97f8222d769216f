"""Write ``.mpforge/report.jsonl``: every event of every run, as it happens.

A line is an event with its run's id and the time. Processes of one run append to one file; the outcomes of a
run's sessions are read back from it. Knows nothing of terminals.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpforge.plan.session_end import SessionEnded
from mpforge.store.files import make_way, regular
from mpforge.workspace import Workspace, run_id

if TYPE_CHECKING:
    from mpforge.plan.events import Chosen, Event

REPORT = "report.jsonl"
_LARGEST = 4_000_000
"""Bytes after which an old report is renamed to ``report.1.jsonl``."""
_SAFELY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _SAFELY

_unwritten: list[dict[str, Any]] = []
_begun_at: dict["Journal", int] = {}
"""Where the lines of a run begin; those of earlier runs may be many."""


def journal_of(workspace: Workspace) -> "Journal":
    """Return the journal of this run."""
    return Journal(workspace.state / REPORT, run_id())


@dataclass(frozen=True)
class Journal:
    """The report of a checkout, as one run writes it."""

    path: Path
    run: str

    def write(self, event: "Event") -> None:
        """Append an event."""
        self.append(type(event).__name__, asdict(event))

    def append(self, name: str, fields: dict[str, Any]) -> None:
        """Append an event by its name and fields; a report that can't be written is not an error."""
        record = {
            "schema": 1,
            "run": self.run,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": name,
            **fields,
        }
        line = (json.dumps(record) + "\n").encode()
        try:
            descriptor = _appending(self.path)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError:
            # If nothing can be written, this process at least knows its own events.
            _unwritten.append(record)

    def published(self) -> tuple[str, ...]:
        """Return the files that this run put, or found, in place: ``dist/…``, in order."""
        paths = (
            r["path"] for r in self._records() if r.get("event") == "Published" and "path" in r
        )
        return tuple(dict.fromkeys(paths))

    def outcomes(self) -> tuple[SessionEnded, ...]:
        """Return this run's sessions, each with its last outcome, in the order of their ends."""
        found: dict[str, SessionEnded] = {}
        for record in self._records():
            ended = ended_of(record)
            if ended is not None:
                found.pop(ended.session, None)
                found[ended.session] = ended
        return tuple(found.values())

    def is_news(self, chosen: "Chosen") -> bool:
        """Return whether this run has not yet reported how that target is built."""
        return not any(
            record.get("event") == "Chosen" and record.get("target") == chosen.target
            for record in self._records()
        )

    def _records(self) -> Iterable[dict[str, Any]]:
        yield from (record for record in _unwritten if record["run"] == self.run)
        try:
            with regular(self.path) as file:
                file.seek(_begun_at.get(self, 0))
                data = file.read()
        except OSError:
            return
        mark = f'"run": "{self.run}"'
        found = data.find(mark.encode())
        if found < 0:
            return
        begun = data.rfind(b"\n", 0, found) + 1
        _begun_at[self] = _begun_at.get(self, 0) + begun
        for line in data[begun:].decode("utf-8", "replace").splitlines():
            if mark in line:
                with contextlib.suppress(ValueError, RecursionError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record


def _appending(path: Path) -> int:
    """Open a report, replacing anything that is not a regular file, e.g. a link. Raises ``OSError``."""
    try:
        return os.open(path, _APPEND, 0o644)
    except OSError:
        make_way(path)
        return os.open(path, _APPEND, 0o644)


def begin(state: Path) -> None:
    """At the start of a run: rename a report that has grown too large."""
    path = state / REPORT
    try:
        if path.stat().st_size > _LARGEST:
            os.replace(path, path.with_name("report.1.jsonl"))
    except OSError:
        return


def ended_of(record: dict[str, Any]) -> SessionEnded | None:
    """Return a session's end, if the record is a complete one."""
    names = SessionEnded.__dataclass_fields__
    if record.get("event") != "SessionEnded" or not names.keys() <= record.keys():
        return None
    return SessionEnded(**{name: record[name] for name in names})


def failures(outcomes: Iterable[SessionEnded]) -> Iterator[str]:
    """Yield a line for each session that failed: its name and why."""
    for ended in outcomes:
        if ended.status == "failed" and not ended.group:
            yield f"{ended.session}: {ended.reason}"


def unproved(outcomes: Iterable[SessionEnded]) -> Iterator[str]:
    """Yield a line for each test session that ran nothing, and the remedy."""
    checked = [e for e in outcomes if e.status == "checked" and not e.group]
    for ended in checked:
        yield f"{ended.session}: {ended.reason}"
    if checked:
        yield "remove test.strategy there to run them; `mpforge doctor` says which targets run here"


def last_words(outcomes: Sequence[SessionEnded]) -> str:
    """Return the report of a run's end: why sessions failed, which tests ran nothing, and the summary."""
    lines = (*failures(outcomes), *unproved(outcomes), summary(outcomes))
    return "".join(f"mpforge > {line}\n" for line in lines)


def summary(outcomes: Iterable[SessionEnded]) -> str:
    """Return ``N built, N tested, N import-only, N not run``; failures first if there are any.

    A wheel that was already in place counts as built, a stored pass as tested: the present state counts, and
    the cached number is in brackets, after those of the levels of tests. A check that ran nothing is no test:
    ``N checked only``, if there are any.
    """
    single = [ended for ended in outcomes if not ended.group]
    good = [ended for ended in single if ended.status in ("done", "cached")]
    built = [ended for ended in good if ended.phase == "build"]
    tested = [ended for ended in good if ended.phase == "test"]
    checked = [ended for ended in single if ended.status == "checked"]
    counts = [
        _count("built", built),
        _count("tested", [ended for ended in tested if not ended.import_only]),
        _count("import-only", [ended for ended in tested if ended.import_only]),
        *([_count("checked only", checked)] if checked else []),
        _count("not run", [e for e in single if e.status == "not-run" and e.phase != "sdist"]),
    ]
    failed = [ended for ended in single if ended.status == "failed"]
    return ", ".join([*([_count("failed", failed)] if failed else []), *counts])


def _count(word: str, ended: list[SessionEnded]) -> str:
    kinds = [
        ("native", [e for e in ended if e.level == "native"]),
        ("emulated", [e for e in ended if e.level == "emulated"]),
        ("cached", [e for e in ended if e.status == "cached"]),
    ]
    told = ", ".join(f"{len(those)} {kind}" for kind, those in kinds if those)
    return f"{len(ended)} {word}" + (f" ({told})" if told else "")
