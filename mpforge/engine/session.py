"""Run one session from start to end: decide, run, publish, report.

The engine knows nothing of nox, terminals or JSON lines; it emits events and returns how the session ended.
The work itself depends on the phase (``phases``).
"""

import os
from collections.abc import Callable, Collection

from mpforge.engine import phases
from mpforge.engine.load_plan import Compiled, seen_or_compiled
from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.engine.session_run import NotRun, SessionRun, refusal_error
from mpforge.errors import UnknownSession
from mpforge.plan.events import Emit, Warned
from mpforge.plan.session_end import SessionEnded
from mpforge.store.files import make_way
from mpforge.workspace import Options, Workspace

_PHASES: dict[str, Callable[[SessionRun], SessionEnded]] = {
    "sdist": phases.run_sdist,
    "deps": phases.run_deps,
    "build": lambda run: phases.run_build(run, run.session),
    "test": phases.run_test,
}
"""The phases that have steps of their own."""


def run_session(
    name: str,
    *,
    workspace: Workspace,
    options: Options,
    emit: Emit,
    posargs: tuple[str, ...] = (),
    selection: Selection = NOTHING_KNOWN,
    failed: Callable[[], Collection[str]] = tuple,
    seen: dict[Workspace, Compiled] | None = None,
) -> SessionEnded:
    """Run one session. ``failed`` returns the sessions that have failed in this run.

    ``seen`` is what the session before this one saw; this one keeps it for the next if it changes nothing.

    Raises ``MpforgeError`` for what fails and ``KeyboardInterrupt``; nothing half-made is left then.
    """
    seen = {} if seen is None else seen
    found = seen_or_compiled(workspace, seen)
    session = found.plan.session(name)
    if session is None:
        raise UnknownSession(f"the spec has no session {name}", hint="`nox -l` lists them")
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    run = SessionRun(found, session, workspace, options, emit, posargs, selection)
    needless = session.not_run or selection.needless(session, found.plan, failed())
    if needless is not None:
        return run.end("not-run", f"not run: {needless}")
    found.store.listen(lambda message: emit(Warned(name, message)))
    try:
        ended = _of_phase(run)
    except NotRun as told:
        return run.end("not-run", f"not run: {told}")
    if ended.status == "done":
        _tidy(run)
    elif ended.status == "cached":
        seen[workspace] = found
    return ended


def _tidy(run: SessionRun) -> None:
    """Prune the cache to its limits after something was added to it."""
    from mpforge.housekeeping.cache_directory import tidy

    def warn(message: str) -> None:
        run.emit(Warned(run.session.name, message))

    tidy(run.workspace.cache, environment=os.environ, warn=warn)


def _of_phase(run: SessionRun) -> SessionEnded:
    session = run.session
    make_way(run.workspace.logs(session.name))
    if session.phase in ("sdist", "build"):
        for words in run.found.inputs.doubts:
            run.emit(Warned(session.name, words))
    return _PHASES[session.phase](run)
