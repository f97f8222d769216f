"""Decide which sessions of a run are needed, and which build publishes the sdist.

nox runs the sessions that a session requires first. So that nothing is built or fetched for one that is
refused, or whose other requirement has failed, each session first checks here whether another can use it.
Values in, values out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpforge.plan.index import IndexedSession
    from mpforge.plan.sessions import Plan, PlannedSession
    from mpforge.plan.toolchains import Compilers
    from mpforge.workspace import Workspace


@dataclass(frozen=True)
class Selection:
    """The sessions of a run, as far as nox tells.

    ``names`` are all that run, with those they require; ``named`` those that were selected by name or tag.
    """

    names: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()

    def usable_by(self, session: "PlannedSession", plan: "Plan") -> "list[PlannedSession]":
        """Return the sessions of this run that require a session and can still succeed."""
        return [user for user, why in self._users(session, plan, ()) if why is None]

    def compilers_of(self, session: "PlannedSession", plan: "Plan") -> "tuple[Compilers, ...]":
        """Return the compilers of a session that those requiring it use in this run; all if it is named."""
        if session.name in self.named:
            return session.compilers
        used = {each for user in self.usable_by(session, plan) for each in user.compilers}
        return tuple(each for each in session.compilers if each in used) or session.compilers

    def needless(
        self, session: "PlannedSession", plan: "Plan", failed: Collection[str] = ()
    ) -> str | None:
        """Return why no session of this run can use a session's result; None if one can.

        ``failed`` are sessions of this run that have failed.
        """
        if session.name in self.named:
            return None
        reasons = [why for _, why in self._users(session, plan, failed)]
        return reasons[0] if reasons and None not in reasons else None

    def _users(
        self, session: "PlannedSession", plan: "Plan", failed: Collection[str]
    ) -> "list[tuple[PlannedSession, str | None]]":
        """Return the sessions of this run that require a session, and why each can't succeed, if so."""
        users = [s for s in plan.sessions if s.name in self.names and session.name in s.requires]
        return [(user, self._hindrance(user, plan, failed)) for user in users]

    def _hindrance(
        self, session: "PlannedSession", plan: "Plan", failed: Collection[str]
    ) -> str | None:
        """Return why a session of this run can't succeed, whatever its inputs; None if it may."""
        if session.refusal is not None:
            return f"{session.name} can't run here: {session.refusal.what}"
        lost = next((name for name in session.requires if name in failed), None)
        # The members of a group are tried one by one.
        if lost is not None and not session.group:
            return f"{lost} failed"
        return self.needless(session, plan, failed)


NOTHING_KNOWN = Selection()
"""The selection if a session runs by itself."""


@dataclass(frozen=True)
class Call:
    """A session to run: the arguments for its tests, and the sessions that the run selected.

    ``since`` is how many sessions that are not ours have begun: what was found before the last one is not
    used.
    """

    session: "IndexedSession"
    workspace: "Workspace"
    posargs: tuple[str, ...] = ()
    selection: Selection = NOTHING_KNOWN
    since: int = 0
