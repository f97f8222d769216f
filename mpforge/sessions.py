"""Define a spec's sessions in nox: ``import mpforge.sessions`` and ``mpforge.sessions.register()``.

Registering reads the index only: no pydantic, no probe, no process. The only module that imports nox. Facts
on nox are in docs/architecture.md, "What nox does". nox has no public way to ask for its options or for the
sessions that a run selected, hence its private ``_runner``.
"""

import atexit
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox
import nox.registry

from mpforge.engine.load_index import load_index
from mpforge.errors import FileTrouble, MpforgeError, SessionNameTaken, render
from mpforge.plan.index import Index, IndexedSession
from mpforge.processes import interrupts
from mpforge.reports.journal import begin, journal_of, last_words
from mpforge.workspace import RUN_ID, SPEC_NAME, Workspace, open_workspace, run_id

if TYPE_CHECKING:
    from mpforge.engine.selection import Selection

_ours: dict[str, object] = {}
_begun: list[int] = []
"""This process, if it began the run: nox's children and ``mpforge run``'s inherit the run's id."""


def register(path: str | os.PathLike[str] = SPEC_NAME, *, prefix: str = "") -> None:
    """Define the sessions of a spec: ``register("agent.toml", prefix="agent")`` for a second one.

    ``path`` is relative to the noxfile. An invalid spec ends nox with exit code 2 and a list of all problems;
    so does a session name that exists already.
    """
    noxfile = Path(sys._getframe(1).f_globals.get("__file__") or "noxfile.py")  # noqa: SLF001 - documented, if private
    try:
        workspace = open_workspace(Path(os.path.realpath(noxfile)).parent / path)
        _define(load_index(workspace), workspace, prefix)
    except MpforgeError as error:
        raise _end(error) from None
    except OSError as error:
        raise _end(FileTrouble(f"{error.strerror}: {error.filename}")) from None


def _end(error: MpforgeError) -> SystemExit:
    """Print an error; return the end of nox."""
    sys.stderr.write(f"{render(error)}\n")
    return SystemExit(int(error.exit_code))


def _define(index: Index, workspace: Workspace, prefix: str) -> None:
    if RUN_ID not in os.environ:
        run_id()
        _begun.append(os.getpid())
        begin(workspace.state)
    if _begun:
        atexit.register(_sum_up, workspace, os.getpid())
    interrupts.watch_interrupts()
    if not _ours:
        _watch_redefinitions()
    known = nox.registry.get()
    for session in index.sessions:
        name = _prefixed(session.name, prefix)
        if name in known:
            raise _taken(name, prefix)
        _define_one(session, workspace, prefix)


def _watch_redefinitions() -> None:
    """End nox if the noxfile later redefines one of our sessions: nox only warns."""
    show = warnings.showwarning

    def hear(message: Warning | str, *rest: Any, **named: Any) -> None:
        for name in _ours:
            if str(message).startswith(f"The session {name!r} has already been registered"):
                raise _end(_taken(name, ""))
        show(message, *rest, **named)

    warnings.showwarning = hear
    warnings.filterwarnings("always", "The session .* has already been", FutureWarning)


def _prefixed(name: str, prefix: str) -> str:
    return f"{prefix}-{name}" if prefix else name


def _taken(name: str, prefix: str) -> SessionNameTaken:
    other = "another" if prefix else "a"
    return SessionNameTaken(
        f"both the noxfile and the spec define a session {name!r}",
        why="nox would use the last definition and only warn",
        hint=f'give {other} prefix: mpforge.sessions.register(…, prefix="wheels")',
    )


def _define_one(session: IndexedSession, workspace: Workspace, prefix: str) -> None:
    name = _prefixed(session.name, prefix)

    def function(nox_session: nox.Session) -> None:
        _run(nox_session, session, workspace, prefix)

    function.__name__ = name.replace("-", "_")
    function.__doc__ = session.description
    _ours[name] = function
    nox.session(
        name=name,
        python=False,
        venv_backend="none",
        tags=list(session.tags),
        requires=[_prefixed(required, prefix) for required in session.requires],
        default=session.name == "build",
        allow_parallel=True,
    )(function)


def _run(
    nox_session: nox.Session, session: IndexedSession, workspace: Workspace, prefix: str
) -> None:
    """Run a session for nox; no SystemExit may leave it (docs/architecture.md, "What nox does")."""
    from mpforge.engine.selection import Call
    from mpforge.reports import front

    _refuse_redefined(nox_session)
    if _option(nox_session, "install_only"):
        nox_session.skip("not run: --install-only")
    if interrupts.interrupted():
        raise KeyboardInterrupt
    try:
        ended, text = front.run(
            Call(
                session,
                workspace,
                posargs=tuple(nox_session.posargs),
                selection=_selection(nox_session, prefix),
                since=_others_begun(nox_session),
            )
        )
    except SystemExit as error:
        nox_session.error(f"a library ended the process ({error.code})")
    if ended.status in ("cached", "checked", "not-run"):  # nox says "skipped", never "success"
        nox_session.skip(ended.reason)
    if ended.status == "failed":
        sys.stderr.write(f"{text}\n")
        nox_session.error(ended.reason)
    nox_session.log(ended.reason)


def _refuse_redefined(nox_session: nox.Session) -> None:
    """Refuse a session defined after ``register()`` under one of our names: nox would run it silently."""
    for other, function in _ours.items():
        found = nox.registry.get().get(other)
        if found is not None and getattr(found, "func", None) is not function:
            nox_session.error(render(_taken(other, "")))


def _option(nox_session: nox.Session, name: str) -> Any:
    """Return one of nox's own options; nox has no public way to ask."""
    return getattr(nox_session._runner.global_config, name, None)  # noqa: SLF001 - see above


def _selection(nox_session: nox.Session, prefix: str) -> "Selection":
    """Return the sessions of this run by their names in the spec, and those selected by name or tag."""
    from mpforge.engine.selection import Selection

    words = set(_option(nox_session, "sessions") or ())
    tags = set(_option(nox_session, "tags") or ())
    names, named = set(), set()
    manifest = nox_session._runner.manifest  # noqa: SLF001 - see above
    begun = manifest._consumed  # noqa: SLF001 - no longer among the selected
    for runner, selected in manifest.list_all_sessions():
        name = runner.friendly_name
        ours = name.removeprefix(f"{prefix}-") if prefix else name
        if selected or runner in begun:
            names.add(ours)
        if name in words or tags & set(runner.func.tags):
            named.add(ours)
    return Selection(frozenset(names), frozenset(named))


def _others_begun(nox_session: nox.Session) -> int:
    """Return how many sessions that are not ours have begun."""
    begun = nox_session._runner.manifest._consumed  # noqa: SLF001 - see above
    return sum(1 for runner in begun if runner.friendly_name not in _ours)


def _sum_up(workspace: Workspace, process: int) -> None:
    """Print the summary at the end of the run, in the process that began it."""
    outcomes = journal_of(workspace).outcomes() if os.getpid() == process else ()
    if outcomes:
        sys.stderr.write(last_words(outcomes))
        if "GITHUB_STEP_SUMMARY" in os.environ:
            from mpforge.reports.markdown import add_to_job_summary

            add_to_job_summary(outcomes, workspace.spec.name)
