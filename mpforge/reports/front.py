"""Run, show and record a session, and report its end.

Knows nothing of nox or of command lines.
"""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mpforge.engine.memo import Answer, Memo, suits
from mpforge.engine.selection import Call
from mpforge.errors import (
    DistConflict,
    FileTrouble,
    Interrupted,
    MpforgeError,
    StepFailed,
    headline,
    render,
)
from mpforge.plan.index import IndexedSession
from mpforge.plan.session_end import SessionEnded, Status
from mpforge.reports.journal import Journal, journal_of
from mpforge.workspace import Options, Workspace

if TYPE_CHECKING:
    from mpforge.engine.dist import Entry
    from mpforge.engine.load_plan import Compiled
    from mpforge.plan.events import Event

_memos: dict[Workspace, Memo] = {}
_seen: dict[int, dict[Workspace, "Compiled"]] = {}
"""What the session before saw, by how many sessions that are not ours had begun by then."""
_warned: set[str] = set()
"""Warnings that this process has shown: sessions of a run share their source and their steps."""


def run(call: Call) -> tuple[SessionEnded, str]:
    """Run a session and record its end; with a failure, the text to show.

    Raises ``KeyboardInterrupt`` after recording it.
    """
    session, journal = call.session, journal_of(call.workspace)
    if session.group:
        ended = group_end(session, journal.outcomes())
        journal.write(ended)
        return ended, ""
    memo = _memos.setdefault(call.workspace, Memo(call.workspace))
    options = Options.from_environment(os.environ)
    if not suits(options, call.posargs) or any(e.status == "failed" for e in journal.outcomes()):
        memo.give_up()
    answer = memo.answer(session.name, call.selection, since=call.since)
    if answer is not None:
        _repeat(answer, journal)
        return answer[0], ""
    with memo.recording():
        return _run(call, options, memo, journal)


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


def _run(call: Call, options: Options, memo: Memo, journal: Journal) -> tuple[SessionEnded, str]:
    from mpforge.engine.session import run_session
    from mpforge.plan.events import Chosen, StepStarted, Warned, Working
    from mpforge.reports.console import Console

    session, workspace = call.session, call.workspace
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

    journal.append("SessionStarted", {"session": session.name})
    if call.since not in _seen:
        _seen.clear()
    text = ""
    try:
        ended = run_session(
            call,
            options=options,
            emit=emit,
            seen=_seen.setdefault(call.since, {}),
            failed=lambda: [e.session for e in journal.outcomes() if e.status == "failed"],
        )
        _refuse_idle(session, ended, strict=options.strict)
        memo.keep(call.selection, ended, events)
    except (MpforgeError, OSError) as caught:
        memo.give_up()
        error = _reported(caught, session, workspace)
        ended, text = _failed(session, error), _last_words(error, session.name, workspace)
    except KeyboardInterrupt:
        error = Interrupted(
            f"{session.name} was interrupted", hint="nothing of it was stored or published"
        )
        code = int(error.exit_code)
        journal.write(SessionEnded(session.name, session.phase, "interrupted", "interrupted", code))
        sys.stderr.write(f"{render(error)}\n")
        raise
    except Exception:
        # A bug of ours keeps its traceback, but the run's report must not miss the failure.
        bug = StepFailed("internal error in mpforge (please report it): see the traceback")
        journal.write(_failed(session, bug))
        raise
    finally:
        console.close()
    journal.write(ended)
    return ended, text


def _refuse_idle(session: IndexedSession, ended: SessionEnded, *, strict: bool) -> None:
    """With ``--strict``, fail a session that did not run; an sdist may exist already."""
    if strict and ended.status in ("not-run", "checked") and session.phase != "sdist":
        raise StepFailed(f"{session.name}: {ended.reason}", why="--strict: it must run")


def _failed(session: IndexedSession, error: MpforgeError) -> SessionEnded:
    code = int(error.exit_code)
    return SessionEnded(session.name, session.phase, "failed", headline(error), code, error.code)


def _reported(
    error: MpforgeError | OSError, session: IndexedSession, workspace: Workspace
) -> MpforgeError:
    """Return the error to report: where the file system refused, one that says where to look.

    The traceback of the refusal goes to the session's log.
    """
    if isinstance(error, MpforgeError):
        return error
    log = workspace.logs(session.name)
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
        file.write(traceback.format_exc())
    where = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileTrouble(
            f"{error.strerror}{where}",
            hint=f"free space where {workspace.root} and {workspace.cache} (MPFORGE_CACHE) are; "
            "`mpforge cache stats` shows what the cache holds",
        )
    return FileTrouble(
        f"{error.strerror}{where}",
        hint=f"mpforge writes to {workspace.root} (.mpforge/, dist/, the lock) and to "
        f"{workspace.cache} (MPFORGE_CACHE): both must be directories that this user can write",
    )


def _last_words(error: MpforgeError, session: str, workspace: Workspace) -> str:
    from mpforge.engine.dist import Dist
    from mpforge.places.step import tail
    from mpforge.reports.console import ShownLog, failure

    path = workspace.logs(session)
    ran = isinstance(error, StepFailed) and path.is_file() and path.stat().st_size > 0
    log = ShownLog(str(path.relative_to(workspace.root)), tail(path)) if ran else None
    done = journal_of(workspace).published()
    entries: tuple[Entry, ...] = ()
    with contextlib.suppress(DistConflict):  # it may be the reported error
        entries = Dist(workspace.dist, workspace.shared_state, workspace.spec.name).entries()
    older = [f"dist/{entry.path}" for entry in entries if f"dist/{entry.path}" not in done]
    return failure(
        error,
        session=session,
        again=workspace.called(session),
        log=log,
        finished=done,
        older=tuple(older),
    )


def group_end(session: IndexedSession, outcomes: Iterable[SessionEnded]) -> SessionEnded:
    """Return the end of a session that only stands for others: cached if all that it requires were."""
    ends = {ended.session: ended for ended in outcomes}
    required = [ends[name] for name in session.requires if name in ends]
    total = len(session.requires)
    cached = sum(1 for ended in required if ended.status == "cached")
    idle = sum(1 for ended in required if ended.status == "not-run")
    checked = sum(1 for ended in required if ended.status == "checked")
    status: Status = "not-run"
    if not required:
        reason = "not run: no session that it requires was selected"
    elif idle == total:
        reason = required[0].reason
    elif checked:  # a group is worth what its weakest member is
        status, reason = "checked", f"{checked} of {total} checked only, not run"
    elif cached + idle == total:
        status, reason = "cached", f"cached: {cached} of {total}"
    else:
        done = sum(1 for ended in required if ended.status == "done")
        status, reason = "done", f"{done} of {total} done, {cached} cached"
    return SessionEnded(session.name, session.phase, status, reason, group=True)
