"""Enter a session's main step with a shell, or a program of the user's, in place of its own programs.

The step's inputs are realized as in any run; its files, variables and network are those of a run, because the
same code prepares them. A directory that a failed run left is entered as it is. Nothing done in it is stored
or published.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mpforge.engine.session import refuse_excluded, require_machine, see_shipped
from mpforge.engine.session_run import NotRun, SessionRun, refusal_error
from mpforge.errors import WrongInput
from mpforge.kinds.task import Given, Task
from mpforge.places import recorded_commands
from mpforge.places.step import Left, StepDirectory, StepRun
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.steps import Step
from mpforge.workspace import KEPT, Workspace


@dataclass(frozen=True)
class Scene:
    """The place of a step that a user enters, as shown in the welcome.

    ``directory`` is the path of the step's directory there, ``place`` its path on this host. ``programs`` are
    the command lines that the step runs. ``left`` is when its last program was started, for a kept directory.
    ``stays``: it is not removed afterwards.
    """

    title: str
    directory: Path
    place: Path
    programs: tuple[str, ...]
    network: bool
    stays: bool
    left: datetime | None = None


@dataclass(frozen=True)
class Visit:
    """A user's request: run ``argv`` (empty: a shell); ``fresh`` ignores a kept directory.

    ``welcome`` is called before it starts. ``library`` chooses one of a target's preparation; else it is the
    one that a failed run left, or the last.
    """

    argv: tuple[str, ...]
    fresh: bool
    welcome: Callable[[Scene], None]
    library: str | None = None


def enterable(plan: Plan, session: PlannedSession) -> PlannedSession:
    """Return a session, or the only one of a group, if a step can be entered. Raises ``WrongInput``."""
    name = session.name
    only = plan.session(session.requires[0]) if len(session.requires) == 1 else None
    if session.group and only is not None:
        return enterable(plan, only)
    if session.group:
        raise WrongInput(
            f"{name} is a group of sessions", hint=f"name one of {' '.join(session.requires)}"
        )
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    if session.not_run is not None:
        raise WrongInput(f"{name} has no step to enter: {session.not_run}")
    if plan.main_step(session) is None:
        raise WrongInput(
            f"{name} has no step to enter: it runs no commands of the project",
            hint="name an sdist, build or test session",
        )
    return session


def log_of(workspace: Workspace, session: str) -> Path:
    """Return the path of the log of the steps before it; the log of the last run is not touched."""
    return workspace.logs(f"{session}.shell")


def enter(run: SessionRun, visit: Visit) -> int:
    """Enter a session's main step; return the program's exit status. Raises what realizing raises."""
    found, session, workspace = run.found, run.session, run.workspace
    step = _chosen(run, visit)
    kept = StepDirectory(workspace.kept / step.id)
    log = log_of(workspace, session.name)
    if not visit.fresh and recorded_commands.read(kept.root):
        found.store.use(f"{KEPT} {workspace.kept.name}", at_once=True)
        return _enter_kept(run, step, kept, visit, log)
    found.store.listen(run.reporter.warn)
    log.unlink(missing_ok=True)
    return _enter_new(replace(run, log=log), step, visit)


def _chosen(run: SessionRun, visit: Visit) -> Step:
    """Return the step to enter. Raises ``WrongInput`` for an unknown library."""
    plan, session, kept = run.found.plan, run.session, run.workspace.kept
    libraries = plan.libraries(session)
    if visit.library is not None:
        if (step := libraries.get(visit.library)) is None:
            raise WrongInput(
                f"{session.name} does not build the library {visit.library}",
                hint=f"it builds {' '.join(libraries)}" if libraries else "name a deps session",
            )
        return step
    left = [step for step in libraries.values() if recorded_commands.read(kept / step.id)]
    step = left[0] if left else plan.main_step(session)
    if step is None:
        raise AssertionError(f"{session.name} has no step to enter")
    return step


def _enter_kept(
    session: SessionRun, step: Step, directory: StepDirectory, visit: Visit, log: Path
) -> int:
    """Enter a kept directory as the failed run left it."""
    last = recorded_commands.read(directory.root)[-1]
    gone = [path for path in last.environment.get("PATH", "").split(":") if not Path(path).is_dir()]
    if gone or not last.cwd.is_dir():
        raise WrongInput(
            f"{directory.root} can no longer be entered",
            why=f"{', '.join(gone) or last.cwd} no longer exists",
            hint="use `mpforge shell --fresh` for a new one",
        )
    noted = (directory.root / recorded_commands.NOTES).stat().st_mtime
    when = datetime.fromtimestamp(noted).astimezone()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        task = Task(step, Given({}), directory, file)
        with session.places.of(step.place).reopened(task) as place:
            run = StepRun(
                step.title,
                directory,
                file,
                last.environment,
                step.timeout,
                table=step.table,
                place=place,
                secrets=step.variables.secrets,
            )
            visit.welcome(_scene(run, stays=True, left=when))
            return run.enter(visit.argv)


def _enter_new(run: SessionRun, step: Step, visit: Visit) -> int:
    from mpforge.kinds import execution

    realizer = run.realizer

    def visitor(there: StepRun) -> int:
        visit.welcome(_scene(there, stays=realizer.kept is not None))
        return there.enter(visit.argv)

    # The checks that a run makes before its steps.
    try:
        if run.session.phase == "build":
            refuse_excluded(run, run.session)
    except NotRun as told:
        raise WrongInput(f"{run.session.name} does not run: {told}") from None
    if run.session.phase == "test":
        require_machine(run)
        see_shipped(run)
    with realizer.entered(step.id, visitor) as task:
        try:
            execution.execute(task, realizer.provision)
        except Left as left:
            return left.status
    raise AssertionError(f"{step.id} has no programs")


def _scene(run: StepRun, *, stays: bool, left: datetime | None = None) -> Scene:
    root = run.directory.root
    programs = recorded_commands.read(root)
    return Scene(
        title=run.title,
        directory=Path(run.place.to_place_paths(str(root))),
        place=root,
        programs=tuple(map(run.place.to_place_paths, recorded_commands.pasted(programs, root))),
        network=not run.place.offline,
        stays=stays,
        left=left,
    )
