"""Run one session from start to end: decide, run, publish, report.

The engine knows nothing of nox, terminals or JSON lines; it emits events and returns how the session ended.
The work itself depends on the phase (``phases``).
"""

import os
from collections.abc import Callable, Collection

from mpforge.engine import phases
from mpforge.engine.load_plan import Look
from mpforge.engine.refusals import NotRun, refusal_error
from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.engine.session_run import SessionRun
from mpforge.errors import UnknownSession
from mpforge.plan.events import Emit, Warned
from mpforge.plan.session_end import SessionEnded
from mpforge.store.files import make_way
from mpforge.workspace import Options, Workspace


def run_session(
    name: str,
    *,
    workspace: Workspace,
    options: Options,
    emit: Emit,
    posargs: tuple[str, ...] = (),
    selection: Selection = NOTHING_KNOWN,
    failed: Callable[[], Collection[str]] = tuple,
    look: Look | None = None,
) -> SessionEnded:
    """Run one session. ``failed`` returns the sessions that have failed in this run.

    ``look`` is what the session before this one saw; this one keeps it for the next if it changes nothing.

    Raises ``MpforgeError`` for what fails and ``KeyboardInterrupt``; nothing half-made is left then.
    """
    look = look or Look()
    found = look.take(workspace)
    session = found.plan.session(name)
    if session is None:
        raise UnknownSession(f"the spec has no session {name}", hint="`nox -l` lists them")
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    if session.not_run is not None:
        return SessionEnded(name, session.phase, "not-run", f"not run: {session.not_run}")
    needless = selection.needless(session, found.plan, failed())
    if needless is not None:
        return SessionEnded(name, session.phase, "not-run", f"not run: {needless}")
    found.store.listen(lambda message: emit(Warned(name, message)))
    run = SessionRun(found, session, workspace, options, emit, posargs, selection)
    ended = _to_its_end(run)
    if ended.status == "done":
        _tidy(workspace, emit, name)
    elif ended.status == "cached":
        look.keep(workspace, found)
    return ended


def _tidy(workspace: Workspace, emit: Emit, session: str) -> None:
    """Prune the cache to its limits after something was added to it."""
    from mpforge.housekeeping.cache_directory import tidy

    tidy(
        workspace.cache,
        environment=os.environ,
        warn=lambda message: emit(Warned(session, message)),
    )


def _to_its_end(run: SessionRun) -> SessionEnded:
    """Run the phase of the session."""
    try:
        return _of_phase(run)
    except NotRun as told:
        reason = f"not run: {told}"
        return SessionEnded(run.session.name, run.session.phase, "not-run", reason)


def _of_phase(run: SessionRun) -> SessionEnded:
    make_way(run.workspace.logs(run.session.name))
    if run.session.phase in ("sdist", "build"):
        for words in run.found.inputs.doubts:
            run.emit(Warned(run.session.name, words))
    match run.session.phase:
        case "sdist":
            return phases.run_sdist(run)
        case "deps":
            return phases.run_deps(run)
        case "build":
            return phases.run_build(run, run.session)
        case "test":
            return phases.run_test(run)
        case _:
            raise AssertionError(f"{run.session.phase} has no steps of its own")
