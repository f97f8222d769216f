"""Run, show and record a session, and report its end, for both front doors.

Knows nothing of nox or of command lines.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.engine.memo import Answer, Memo, suits
from mpforge.engine.selection import Selection
from mpforge.errors import (
    DistConflict,
    ExitCode,
    FileTrouble,
    Interrupted,
    MpforgeError,
    StepFailed,
    headline,
    render,
)
from mpforge.plan.index import IndexedSession
from mpforge.plan.session_end import SessionEnded, Status
from mpforge.reports.journal import REPORT, Journal
from mpforge.workspace import Options, Workspace, host_system, run_id

if TYPE_CHECKING:
    from mpforge.engine.dist_record import Entry
    from mpforge.engine.load_plan import Look
    from mpforge.plan.events import Event

_memos: dict[Workspace, Memo] = {}
_looks: dict[int, "Look"] = {}
"""The last session's view, by how many sessions that are not ours had begun by then."""
_warned: set[str] = set()
"""Warnings that this process has shown: sessions of a run share their source and their steps."""


def journal_of(workspace: Workspace) -> Journal:
    """Return the journal of this run."""
    return Journal(workspace.state / REPORT, run_id())


def run(
    session: IndexedSession,
    *,
    workspace: Workspace,
    posargs: tuple[str, ...],
    selection: Selection,
    since: int = 0,
) -> tuple[SessionEnded, str]:
    """Run a session and record its end; with a failure, the text to show.

    ``since`` is how many sessions that are not ours have begun: what was seen before the last is not used.
    Raises ``KeyboardInterrupt`` after recording it.
    """
    journal = journal_of(workspace)
    if session.group:
        ended = group_end(session, journal.outcomes())
        journal.write(ended)
        return ended, ""
    memo = _memos.setdefault(workspace, Memo(workspace))
    options = Options.from_environment(os.environ)
    if not suits(options, posargs) or any(e.status == "failed" for e in journal.outcomes()):
        memo.give_up()
    answer = memo.answer(session.name, selection, since=since)
    if answer is not None:
        _repeat(answer, journal)
        return answer[0], ""
    with memo.recording():
        return _run(session, workspace, journal, posargs, selection, since, options, memo)


def _repeat(answer: Answer, journal: Journal) -> None:
    """Record, and show, what a session reported when it was looked at."""
    ended, events = answer
    for name, fields in events:
        journal.append(name, fields)
        if name != "StepHit":
            from mpforge.plan import events as kinds
            from mpforge.reports.console import Console

            Console().show(getattr(kinds, name)(**fields))
    journal.write(ended)


def _look(since: int) -> "Look":
    """Return the view of the session before this one, if only sessions of ours have run since."""
    from mpforge.engine.load_plan import Look

    if since not in _looks:
        _looks.clear()
        _looks[since] = Look()
    return _looks[since]


def _run(  # noqa: PLR0917 - the arguments of run, and what it made of them
    session: IndexedSession,
    workspace: Workspace,
    journal: Journal,
    posargs: tuple[str, ...],
    selection: Selection,
    since: int,
    options: Options,
    memo: Memo,
) -> tuple[SessionEnded, str]:
    from mpforge.engine.session import run_session
    from mpforge.plan.events import Chosen, StepStarted, Warned, Working
    from mpforge.reports.console import Console

    console = Console()
    events: list[Event] = []

    def emit(event: "Event") -> None:
        if isinstance(event, Chosen) and not journal.is_news(event):
            return
        journal.write(event)
        events.append(event)
        if isinstance(event, (Chosen, StepStarted, Working)):
            memo.give_up()
        if isinstance(event, Warned):
            if event.message in _warned:
                return
            _warned.add(event.message)
        console.show(event)

    try:
        ended = run_session(
            session.name,
            workspace=workspace,
            options=options,
            emit=emit,
            posargs=posargs if session.phase == "test" else (),
            selection=selection,
            look=_look(since),
            failed=lambda: [e.session for e in journal.outcomes() if e.status == "failed"],
        )
        text = ""
        _refuse_idle(session, ended, strict=options.strict)
        memo.keep(selection, ended, events)
    except MpforgeError as error:
        memo.give_up()
        ended = _failed(session, error)
        text = _last_words(error, session.name, workspace)
    except KeyboardInterrupt:
        end = SessionEnded(
            session.name, session.phase, "interrupted", "interrupted", ExitCode.INTERRUPTED
        )
        journal.write(end)
        sys.stderr.write(f"{render(interrupted_error(session.name))}\n")
        raise
    except OSError as error:
        memo.give_up()
        trouble = file_trouble(error, workspace)
        ended, text = _failed(session, trouble), _last_words(trouble, session.name, workspace)
        _keep_traceback(workspace, session.name)
    except Exception:
        # A bug of ours keeps its traceback, but the run's report must not miss the failure.
        journal.write(
            _failed(
                session,
                StepFailed("internal error in mpforge (please report it): see the traceback"),
            )
        )
        raise
    finally:
        console.close()
    journal.write(ended)
    return ended, text


def _refuse_idle(session: IndexedSession, ended: SessionEnded, *, strict: bool) -> None:
    """With ``--strict``, fail a session that did not run; an sdist may exist already."""
    if strict and ended.status == "not-run" and session.phase != "sdist":
        raise StepFailed(f"{session.name}: {ended.reason}", why="--strict: it must run")


def _failed(session: IndexedSession, error: MpforgeError) -> SessionEnded:
    return SessionEnded(
        session.name,
        session.phase,
        "failed",
        headline(error),
        int(error.exit_code),
        error.code,
    )


def file_trouble(error: OSError, workspace: Workspace) -> FileTrouble:
    """Return the error for an operation that the file system refused, with a hint where to look."""
    return FileTrouble(
        f"{error.strerror}: {error.filename or 'a file'}",
        hint=f"mpforge writes to {workspace.root} (.mpforge/, dist/, the lock) and to "
        f"{workspace.cache} (MPFORGE_CACHE): both must be directories that this user can write",
    )


def _keep_traceback(workspace: Workspace, session: str) -> None:
    with (
        contextlib.suppress(OSError),
        workspace.logs(session).open("a", encoding="utf-8") as log,
    ):
        log.write(traceback.format_exc())


def _last_words(error: MpforgeError, session: str, workspace: Workspace) -> str:
    from mpforge.engine.dist import Dist
    from mpforge.places.step import tail
    from mpforge.reports.console import failure

    path = workspace.logs(session)
    ran = isinstance(error, StepFailed) and path.is_file() and path.stat().st_size > 0
    log = _shown(path, workspace.root) if ran else None
    done = journal_of(workspace).published()
    entries: tuple[Entry, ...] = ()
    with contextlib.suppress(DistConflict):  # it may be the reported error
        entries = Dist(workspace.dist, workspace.shared_state, workspace.spec.name).entries()
    older = [f"dist/{entry.path}" for entry in entries if f"dist/{entry.path}" not in done]
    return failure(
        error,
        session=session,
        again=workspace.called(session),
        host=host_system(),
        log=log,
        tail=tail(path) if ran else "",
        finished=done,
        older=tuple(older),
    )


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def group_end(session: IndexedSession, outcomes: Iterable[SessionEnded]) -> SessionEnded:
    """Return the end of a session that only stands for others: cached if all that it requires were."""
    ends = {ended.session: ended for ended in outcomes}
    required = [ends[name] for name in session.requires if name in ends]
    total = len(session.requires)
    cached = sum(1 for ended in required if ended.status == "cached")
    idle = sum(1 for ended in required if ended.status == "not-run")
    if not required:
        words = "no session that it requires was selected"
        return _group(session, "not-run", f"not run: {words}")
    if idle == total:
        return _group(
            session, "not-run", f"not run: {required[0].reason.removeprefix('not run: ')}"
        )
    if cached + idle == total:
        return _group(session, "cached", f"cached: {cached} of {total}")
    done = sum(1 for ended in required if ended.status == "done")
    return _group(session, "done", f"{done} of {total} done, {cached} cached")


def _group(session: IndexedSession, status: Status, reason: str) -> SessionEnded:
    return SessionEnded(session.name, session.phase, status, reason, group=True)


def interrupted_error(session: str) -> MpforgeError:
    """Return the error of an interrupted session."""
    return Interrupted(f"{session} was interrupted", hint="nothing of it was stored or published")
