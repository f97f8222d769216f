"""Predict what a session would do, and why, for ``plan`` and ``explain``.

Keys are computed as far as the store and the lock allow. Runs no step, fetches nothing, writes nothing.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mpforge.engine.load_plan import Compiled
from mpforge.engine.realize import NotMade
from mpforge.engine.session import refuse_excluded, require_machine, see_shipped, why_static
from mpforge.engine.session_run import NotRun, SessionRun, refusal_error
from mpforge.errors import MpforgeError, PinMissing
from mpforge.keys.digest import Difference, differences
from mpforge.plan.sessions import PlannedSession
from mpforge.plan.steps import Step
from mpforge.store import notes
from mpforge.workspace import Options, Workspace

State = Literal["cached", "checked", "would run", "not known", "impossible", "not run"]
"""``checked``: a static session whose check is stored; its tests have not run."""


@dataclass(frozen=True)
class StepPreview:
    """State of a step: its key and the record of its ingredients if they can be known, else the reason.

    ``unpinned`` names the missing pin, if that is the reason.
    """

    step: Step
    state: State
    why: str = ""
    key: str | None = None
    record: Mapping[str, Any] | None = None
    unpinned: str | None = None

    @property
    def id(self) -> str:
        """Id of the step."""
        return self.step.id

    @property
    def title(self) -> str:
        """Title of the step."""
        return self.step.title

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data, without its ingredients."""
        names = ("id", "title", "state", "why", "key")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class SessionPreview:
    """State of a session; ``fetch`` are the bytes to download (None: not known) and the names.

    ``unpinned`` as for a step; ``error`` is the error that an impossible session would end with. ``static``
    is why a static test runs nothing.
    """

    session: PlannedSession
    state: State
    why: str
    steps: tuple[StepPreview, ...] = ()
    fetch: int | None = 0
    items: tuple[str, ...] = ()
    unpinned: str | None = None
    error: MpforgeError | None = None
    static: str = ""


def preview(found: Compiled, workspace: Workspace, session: PlannedSession) -> SessionPreview:
    """Predict what a session would do now."""
    if session.refusal is not None:
        error = refusal_error(session.refusal)
        return SessionPreview(session, "impossible", error.what, error=error)
    if session.not_run is not None:
        return SessionPreview(session, "not run", session.not_run)
    if session.group:
        return SessionPreview(session, *_group(found, workspace, session))
    run = SessionRun(found, session, workspace, Options(locked=True), lambda _event: None, dry=True)
    try:
        return _preview(run, session)
    except PinMissing as error:
        why = f"lock first: {error.what}"
        return SessionPreview(session, "not known", why, fetch=None, unpinned=error.what)
    except MpforgeError as error:
        return SessionPreview(session, "impossible", error.what, error=error)


def _group(found: Compiled, workspace: Workspace, session: PlannedSession) -> tuple[State, str]:
    """Return a group's state: that of the first required session that is not cached."""
    required = [found.plan.session(name) for name in session.requires]
    told = [preview(found, workspace, one) for one in required if one is not None]
    for item in told:
        if item.state not in ("cached", "checked", "not run"):
            return item.state, f"see {item.session.name}"
    for item in told:
        if item.state == "checked":
            return item.state, f"see {item.session.name}"
    return "cached", f"{len(told)} of {len(told)}"


def _preview(run: SessionRun, session: PlannedSession) -> SessionPreview:
    if session.phase == "deps":
        return _deps(run, session)
    if session.phase != "test" and run.shipping.already(session):
        return SessionPreview(session, "cached", "dist/ has it", _steps(run, session))
    maker = run.found.plan.session(session.after or "")
    if session.is_served and maker is not None:
        made = preview(run.found, run.workspace, maker)
        return SessionPreview(session, made.state, f"{maker.name} makes it", (), made.fetch)
    try:
        with contextlib.suppress(NotMade):
            refuse_excluded(run, session)
    except NotRun as told:
        return SessionPreview(session, "not run", str(told))
    if session.phase == "test":
        require_machine(run)
    steps = _steps(run, session)
    static = why_static(run) if session.level == "static" else ""
    if (first := _first_to_do(steps)) is None:
        return SessionPreview(session, "checked" if static else "cached", "", steps, static=static)
    return SessionPreview(
        session, first.state, first.why, steps, unpinned=first.unpinned, static=static
    )


def _first_to_do(steps: Sequence[StepPreview]) -> StepPreview | None:
    """Return the step that decides a session's state; None if all are cached."""
    worst = [step for state in ("not known", "would run") for step in steps if step.state == state]
    return worst[0] if worst else None


def _deps(run: SessionRun, session: PlannedSession) -> SessionPreview:
    if run.shipping.all_from_elsewhere(session.target):
        why = "dist/ already has everything that is built with it"
        return SessionPreview(session, "cached", why)
    size, items = run.to_fetch(session)
    ready = all(run.toolbox.is_prepared(compilers) for compilers in session.compilers)
    steps = _steps(run, session)  # of native libraries
    state: State = "cached" if ready else "would run"
    if ready and (first := _first_to_do(steps)) is not None:
        state = first.state
    return SessionPreview(session, state, "", steps, size, items)


def _steps(run: SessionRun, session: PlannedSession) -> tuple[StepPreview, ...]:
    if session.phase == "test":
        try:
            see_shipped(run)
        except (NotMade, MpforgeError):
            step = run.found.plan.step(session.result or session.steps[-1])
            why = "its build has not run yet"
            return (StepPreview(step, "would run", why),)
    own = [_step(run, identifier) for identifier in session.steps]
    return (*(_step(run, identifier) for identifier in run.provision.added), *own)


def _step(run: SessionRun, identifier: str) -> StepPreview:
    step = run.provision.step(identifier)
    state: State = "cached"
    why, unpinned = "", None
    try:
        run.realizer.realize(identifier)
    except NotMade as missing:
        own = missing.step == identifier
        reason = missing.why or "not in the store"
        state, why = "would run", reason if own else f"after {missing.step}"
    except PinMissing as error:
        state, why, unpinned = "not known", f"lock first: {error.what}", error.what
    if not step.cache:
        state, why, unpinned = "would run", "test.cache = false", None
    key, record = run.realizer.listed.get(identifier, (None, None))
    return StepPreview(step, state, why, key, record, unpinned)


@dataclass(frozen=True)
class Changes:
    """Differences of a step's ingredients; ``since`` says between which runs."""

    since: str
    differences: tuple[Difference, ...]


def changes(
    workspace: Workspace, step: str, now: Mapping[str, Any] | None = None
) -> Changes | None:
    """Return what changed in a step's key from the last run to ``now``, else in the last run."""
    folder = workspace.state / "keys"
    last = _read(folder / f"{step}.json")
    if last is None:
        return None
    if now is not None and (found := differences(last, now)):
        return Changes("since the last run", found)
    before = _read(folder / f"{step}.previous.json")
    if before is None or not (found := differences(before, last)):
        return None
    return Changes("between the last run and the one before", found)


def _read(path: Path) -> dict[str, Any] | None:
    record = notes.load(path)
    known = isinstance(record, dict) and all(
        isinstance(record.get(name), dict) for name in ("ingredients", "files")
    )
    return record if known else None
