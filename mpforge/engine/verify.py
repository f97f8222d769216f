"""Build a session's result twice from scratch and compare what would be published.

Each build has a store, directories and a umask of its own; tools are shared. Neither ``dist/`` nor a result
of the user's store changes. Differences caused by the day, the host, or its number of CPUs are not found:
these are the same in both builds.
"""

import dataclasses
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts.differences import Circumstances, FileDifference, compare_folders
from mpforge.engine.realize import Realizer
from mpforge.engine.session_run import SessionRun, refusal_error
from mpforge.errors import StepFailed, WrongInput
from mpforge.kinds.inputs import Inputs
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.store.local import Store
from mpforge.store.trees import Directory
from mpforge.workspace import Workspace

_PHASES = ("build", "sdist")
_BUILDS = ("first", "second")
_UMASK, _OTHER_UMASK = 0o022, 0o027
# Between the builds, so that no two times are equal: a zip archive counts in steps of two seconds.
_TICK_SECONDS = 2.0
# Of different lengths, as the paths of two checkouts are.
_PLACES = ("a", "another-directory-of-a-longer-name")


@dataclass(frozen=True)
class Verdict:
    """Result of comparing two builds of a session.

    ``first`` and ``second`` map each path to its digest (or a link's target). ``began`` is the first step
    whose result differs. ``kept`` holds both outputs, in ``first`` and ``second``, if they differ.
    """

    session: str
    first: Mapping[str, str]
    second: Mapping[str, str]
    differences: tuple[FileDifference, ...] = ()
    began: str | None = None
    kept: Path | None = None

    @property
    def equal(self) -> bool:
        """True if both have the same bytes under the same names, with the same modes."""
        return self.kept is None


@dataclass(frozen=True)
class _Built:
    """One build: the files to publish, and the paths of its other data."""

    output: Directory
    realizer: Realizer
    place: Path


def verifiable(plan: Plan, session: PlannedSession) -> tuple[PlannedSession, ...]:
    """Return the session, or those of a group that build; ``sdist`` is one too.

    Raises ``WrongInput`` for a session of another phase, or if there is nothing to build.
    """
    if session.phase not in _PHASES and not plan.libraries(session):
        raise WrongInput(
            f"{session.name} can't be verified: it builds nothing",
            hint="name an sdist or build session: "
            + " ".join(s.name for s in plan.sessions if s.phase in _PHASES),
        )
    if session.not_run is not None:
        raise WrongInput(f"{session.name} can't be verified: {session.not_run}")
    if not session.group:
        return (session,)
    members = [found for name in session.requires if (found := plan.session(name)) is not None]
    able = [member for member in members if member.not_run is None] or members
    return tuple(one for member in able for one in verifiable(plan, member))


def logs_of(workspace: Workspace, session: str) -> tuple[Path, Path]:
    """Return the paths of the logs of the first and the second build."""
    return workspace.logs(f"{session}.{_BUILDS[0]}"), workspace.logs(f"{session}.{_BUILDS[1]}")


def verify(run: SessionRun) -> Verdict:
    """Build a session's result twice and compare. Raises what a build raises."""
    run = dataclasses.replace(run, options=dataclasses.replace(run.options, no_cache=True))
    session, store = run.session, run.found.store
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    for log in logs_of(run.workspace, session.name):
        log.unlink(missing_ok=True)
    store.listen(run.reporter.warn)
    place = store.work_directory()
    began = time.time()
    try:
        first = _build(run, place, 0)
        time.sleep(_TICK_SECONDS)
        with _other_umask():
            second = _build(run, place, 1)
        sources = [built.realizer.provision.inputs.files.digest() for built in (first, second)]
        if sources[0] != sources[1]:
            raise StepFailed("the sources changed between the two builds", hint="verify once more")
        places = (str(first.place), str(second.place))
        return _compared(run, first, second, Circumstances(places, began, time.time()))
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _other_umask() -> Iterator[None]:
    """Set another umask than the user's while the block runs."""
    former = os.umask(_OTHER_UMASK)
    if former == _OTHER_UMASK:
        os.umask(_UMASK)
    try:
        yield
    finally:
        os.umask(former)


def _build(run: SessionRun, below: Path, number: int) -> _Built:
    """Build the session with a store of its own, so that nothing can be a hit."""
    session, place = run.session, below / _PLACES[number]
    what = f"{session.name}, the {_BUILDS[number]} build"
    store = Store(place / "store")
    store.listen(run.reporter.warn)
    inputs = Inputs(run.found.inputs.source, store)
    found = dataclasses.replace(run.found, store=store, inputs=inputs)
    realizer = dataclasses.replace(
        dataclasses.replace(run, found=found).realizer,
        announce=lambda: None,
        log=logs_of(run.workspace, session.name)[number],
        keys=place / "keys",
    )
    with run.reporter.working(what):
        output = _output(found.plan, session, realizer)
    return _Built(output, realizer, place)


def _output(plan: Plan, session: PlannedSession, realizer: Realizer) -> Directory:
    """Return what a session builds: its published files, or a directory for each native library."""
    if libraries := plan.libraries(session):
        trees = {name: realizer.realize(step.id)[1] for name, step in libraries.items()}
        return Directory(directories=trees)
    if session.result is None:
        raise AssertionError(f"{session.name} has no result")
    _, tree = realizer.realize(session.result)
    return tree.directories["archive"] if session.phase == "sdist" else tree


def _compared(run: SessionRun, first: _Built, second: _Built, known: Circumstances) -> Verdict:
    """Return the differences; both outputs are kept for the user to inspect."""
    name = run.session.name
    kept = run.workspace.state / "verify" / name
    shutil.rmtree(kept, ignore_errors=True)
    digests = first.output.described(), second.output.described()
    if digests[0] == digests[1]:
        return Verdict(name, *digests)
    folders = kept / _BUILDS[0], kept / _BUILDS[1]
    for built, folder in zip((first, second), folders, strict=True):
        built.realizer.store.restore(built.output, folder)
    found = compare_folders(*folders, known)
    began = _first_that_differs(first.realizer, second.realizer)
    return Verdict(name, *digests, found, began, kept)


def _first_that_differs(first: Realizer, second: Realizer) -> str | None:
    """Return the first step, in the order in which they ran, whose result differs."""
    for step in first.ran:
        (one, tree), (other, other_tree) = first.realize(step), second.realize(step)
        if tree.digest() != other_tree.digest() or one.facts != other.facts:
            return step
    return None
