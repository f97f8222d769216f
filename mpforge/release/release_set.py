"""Collect the files that the plan's sessions must have put in ``dist/``, and the reasons not to release them.

Builds nothing: a missing, outdated, changed or untested file is named with the session to run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mpforge.engine.dist import Entry
from mpforge.engine.load_plan import Compiled
from mpforge.engine.session_run import SessionRun
from mpforge.engine.shipping import Shipping
from mpforge.errors import NothingSelected, ReleaseIncomplete
from mpforge.plan.sessions import PlannedSession
from mpforge.workspace import Options, Workspace


@dataclass(frozen=True)
class Fault:
    """A reason against a release: what is wrong, and the ``session`` to run."""

    session: str
    what: str
    untested: bool = False


@dataclass
class ReleaseSet:
    """The recorded wheels and sdist of a spec, by path in ``dist/``; ``others`` are no packages."""

    entries: dict[str, Entry] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def require(self, workspace: Workspace, *, allow_untested: bool) -> None:
        """Raise ``ReleaseIncomplete`` if a file is missing, outdated, changed, or (unless allowed) untested.

        Raises ``NothingSelected`` without any file.
        """
        faults = [f for f in self.faults if not (f.untested and allow_untested)]
        if faults:
            names = dict.fromkeys(fault.session for fault in faults)
            remedy = f"mpforge run {' '.join(map(workspace.called, names))}"
            if all(fault.untested for fault in faults):
                remedy += "; or `mpforge release --allow-untested`"
            raise ReleaseIncomplete(
                f"dist/ does not match what {workspace.spec.name} asks to release; nothing was uploaded",
                why="\n".join(f"{fault.session}: {fault.what}" for fault in faults),
                hint=remedy,
            )
        if not self.entries:
            raise NothingSelected(
                f"{workspace.spec.name} has no session that makes a wheel or an sdist",
                hint="only these can be uploaded to a package index",
            )


def release_set(found: Compiled, workspace: Workspace) -> ReleaseSet:
    """Return the files that the sessions of a plan recorded in ``dist/``, and all that is wrong with them.

    Raises ``DistConflict`` for a record of a newer mpforge.
    """
    made = ReleaseSet()
    for session in found.plan.sessions:
        if session.group or session.not_run or session.phase not in ("sdist", "build"):
            continue
        shipping = SessionRun(
            found, session, workspace, Options(), lambda _event: None, dry=True
        ).shipping
        if session.phase == "build" and session.python is None:
            made.others += [entry.path for entry in shipping.dist.of(session.name)]
            continue
        made.faults += [Fault(session.name, what) for what in _faults(session, shipping)]
        made.entries |= {entry.path: entry for entry in shipping.dist.of(session.name)}
    made.faults += _of_tests(found, made)
    made.faults += _of_sources(made)
    return made


def _faults(session: PlannedSession, shipping: Shipping) -> Iterator[str]:
    """Yield what is wrong with the files of one session."""
    entries = shipping.dist.of(session.name)
    if not entries:
        yield "it has no file in dist/"
    for entry in entries:
        path = shipping.workspace.dist / entry.path
        if not path.is_file():
            yield f"dist/{entry.path} is missing"
        elif not shipping.dist.intact(entry):
            yield f"dist/{entry.path} was changed since it was built"
    if session.refusal is not None:
        return  # this host can't tell what it would make
    for entry in entries:
        if entry.source != shipping.source(session):
            yield f"dist/{entry.path} was made from another state of the source"
        elif entry.options != session.options:
            yield f"dist/{entry.path} was made with other options"


def _of_tests(found: Compiled, made: ReleaseSet) -> Iterator[Fault]:
    """Yield the test sessions that did not pass with the recorded files."""
    for session in found.plan.sessions:
        if session.phase != "test" or session.group or session.not_run or session.python is None:
            continue
        (build,) = session.requires
        for entry in made.entries.values():
            if build != entry.session and build not in entry.users:
                continue
            result = entry.tests.get(session.name, {})
            if "checked" in result:
                what = "it was only checked, none of its tests have run"
            elif "passed" not in result:
                what = "its tests have not run, or failed"
            else:
                continue
            yield Fault(session.name, f"dist/{entry.path}: {what}", untested=True)


def _of_sources(made: ReleaseSet) -> Iterator[Fault]:
    """Yield wheels that were not made from the sdist's source, even if this host can't read it."""
    sdists = [entry for entry in made.entries.values() if not entry.path.endswith(".whl")]
    for entry in made.entries.values():
        if sdists and entry.source != sdists[0].source:
            what = f"dist/{entry.path} and dist/{sdists[0].path} come from different states of the source"
            if not any(f.session == entry.session and entry.path in f.what for f in made.faults):
                yield Fault(entry.session, what)


def places(made: ReleaseSet, dist: Path) -> list[Path]:
    """Return the files in the order of upload: wheels first, so that nobody builds what is about to come."""
    paths = sorted(made.entries, key=lambda path: (not path.endswith(".whl"), path))
    return [dist / path for path in paths]
