"""``mpforge ci``: write the file of a CI service from the plan, or check that it is up to date."""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.ci.ci_file import CiFile
from mpforge.ci.cibuildwheel import WheelJobs, wheel_jobs
from mpforge.ci.matrix import ci_host, nothing_to_do
from mpforge.ci.pipeline import Pipeline, pipeline
from mpforge.ci.services import SERVICES, Service, service
from mpforge.cli.options import workspace_of
from mpforge.engine.load_index import content, text_of
from mpforge.engine.load_plan import plan_on
from mpforge.errors import (
    CiFileForeign,
    CiFileOutdated,
    ExitCode,
    NothingSelected,
    Place,
    WrongInput,
    render,
)
from mpforge.formats.pyproject import read_pyproject
from mpforge.plan.facts import HostFacts
from mpforge.plan.sessions import Plan
from mpforge.platforms import well_known
from mpforge.release.destination import PYPI_UPLOAD
from mpforge.sources import git
from mpforge.spec.load import load_spec
from mpforge.spec.model import Spec
from mpforge.store.files import write_atomically
from mpforge.workspace import SPEC_NAME, Workspace

DESCRIPTION = "Write the file of a CI service from the spec, or check it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "service",
        nargs="?",
        metavar="SERVICE",
        help=f"{', '.join(SERVICES)}; with --check: all services whose file exists",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the file is out of date"
    )
    parser.add_argument("--force", action="store_true", help="overwrite edits in mpforge's part")


def run(arguments: argparse.Namespace) -> int:
    """Write a service's file, or compare it with what would be written."""
    workspace = workspace_of(arguments)
    if not arguments.service and not arguments.check:
        raise WrongInput("which CI service?", hint=f"one of: {' '.join(SERVICES)}")
    place = _place(workspace)
    chosen = [service(arguments.service)] if arguments.service else _present(place)
    wrong = ExitCode.DONE
    for one in chosen:
        _require_top(place, one)
        jobs = _pipeline(workspace, place, one)
        if arguments.check:
            wrong = _check(place, one, jobs) or wrong
        else:
            _write(workspace, place, one, jobs, force=arguments.force)
    return wrong


@dataclass(frozen=True)
class _Place:
    """The ``top`` of a repository, and the spec's ``directory`` in it (empty: the top).

    ``word`` tells a spec from the usual one at the top, for which it is empty.
    """

    top: Path
    directory: str
    word: str


def _place(workspace: Workspace) -> _Place:
    root = workspace.root.resolve()
    top = (git.top_level(root) or root).resolve()
    folders = root.relative_to(top).parts
    stem = () if workspace.spec.name == SPEC_NAME else (workspace.spec.stem,)
    return _Place(top, "/".join(folders), "-".join((*folders, *stem)))


def _present(place: _Place) -> list[Service]:
    """Return the services whose file mpforge has written. Raises ``NothingSelected`` without one."""
    found = []
    for one in SERVICES.values():
        file = one.file(place.word)
        text = _text(place.top / file.name)
        if text is not None and file.is_written_in(text):
            found.append(one)
    if not found:
        raise NothingSelected(
            "mpforge has not written a CI file here",
            hint=f"`mpforge ci {next(iter(SERVICES))}` writes one",
        )
    return found


def _require_top(place: _Place, one: Service) -> None:
    """Refuse a spec below the top for a service whose file can't have that. Raises ``WrongInput``."""
    if place.directory and not one.directories:
        able = " and ".join(name for name, other in SERVICES.items() if other.directories)
        raise WrongInput(
            f"the file for {one.name} needs a spec at the top of its repository, {place.top}",
            why=f"this one is in {place.directory}; only files for {able} can work in a directory",
            hint='move the spec to the top, and name the project by `[project] source = "DIRECTORY"`',
        )


def _pipeline(workspace: Workspace, place: _Place, one: Service) -> Pipeline:
    """Return the jobs of the plan on a service's machines. Raises ``NothingSelected`` if there are none."""
    host = ci_host()
    facts = HostFacts(host.name, f"Linux {host.machine}", container_runtime=True, roots=True)
    plan, platforms = plan_on(workspace, facts)
    loaded = load_spec(text_of(content(workspace), workspace), file=workspace.spec.name)
    wheels = _wheel_jobs(workspace, one, plan, platforms, loaded)
    found = replace(
        pipeline(plan, platforms, runners=one.runners(), most_minutes=one.most_minutes),
        spec=f" --spec {workspace.spec.name}" if workspace.spec.name != SPEC_NAME else "",
        directory=place.directory,
        word=place.word,
        file=one.file(place.word).name,
        others=wheels.rows,
        on_pypi=loaded.release is None or loaded.release.index in (None, PYPI_UPLOAD),
    )
    if not found.names:
        raise nothing_to_do(plan)
    for remark in wheels.remarks:
        _warn(f"not in cibuildwheel's jobs: {remark}")
    if found.build and not found.test:
        _warn("no CI job can run tests of this spec: wheels are released untested")
    return found


def _wheel_jobs(
    workspace: Workspace, one: Service, plan: Plan, platforms: dict[str, str], spec: Spec
) -> WheelJobs:
    """Return the jobs of targets that mpforge does not build."""
    if all(well_known()[name].os == "linux" for name in platforms.values()):
        return WheelJobs()
    source = workspace.root / spec.project.source
    text = _text(source / "pyproject.toml") if source.is_dir() else None
    table = read_pyproject(text).get("project", {})
    name = table.get("name") if isinstance(table, dict) else None
    return wheel_jobs(
        spec,
        plan,
        platforms,
        runners=one.runners(),
        project=name if isinstance(name, str) else None,
        exists=lambda path: (source / path).exists(),
    )


def _write(
    workspace: Workspace, place: _Place, one: Service, jobs: Pipeline, *, force: bool
) -> None:
    file = one.file(place.word)
    path = place.top / file.name
    old = _text(path)
    new = _new_text(file, old, one.written(jobs), force=force)
    if new == old:
        sys.stdout.write(f"{file.name} is up to date\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, new.encode())
    sys.stdout.write(f"wrote {file.name}: {', '.join(jobs.names)}\n")
    if not workspace.lock.exists():
        _warn(
            f"there is no {workspace.lock.name}, and CI adds no pins: run `mpforge lock`, and commit it"
        )


def _check(place: _Place, one: Service, jobs: Pipeline) -> ExitCode:
    """Say that a file is up to date, or print why not to stderr. Raises ``CiFileEdited``, ``WrongInput``."""
    file = one.file(place.word)
    old = _text(place.top / file.name)
    if old is None:
        raise WrongInput(f"there is no {file.name}", hint=f"`mpforge ci {one.name}` writes it")
    new = _new_text(file, old, one.written(jobs))
    if new == old:
        sys.stdout.write(f"{file.name} is up to date\n")
        return ExitCode.DONE
    lines = zip(old.splitlines(), new.splitlines(), strict=False)
    # The first marker line has a digest of the others.
    differing = [n for n, (a, b) in enumerate(lines, 1) if a != b and ">>> mpforge ci" not in a]
    line = next(iter(differing), len(old.splitlines()))
    sys.stderr.write(
        render(
            CiFileOutdated(
                "the file is out of date: it differs from what the spec asks for",
                hint=f"`mpforge ci {one.name}`",
                place=Place(file.name, line),
            )
        )
        + "\n"
    )
    return ExitCode.STEP_FAILED


def _new_text(file: CiFile, old: str | None, middle: str, *, force: bool = False) -> str:
    return file.written(middle) if old is None else file.updated(old, middle, force=force)


def _text(path: Path) -> str | None:
    """Return a file's text with line ends of Unix; None if there is none. Raises ``CiFileForeign``."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise CiFileForeign(f"{path} is a directory", hint="move it away") from None
    except UnicodeDecodeError:
        raise CiFileForeign(f"{path} is not a text file", hint="move it away") from None


def _warn(words: str) -> None:
    sys.stderr.write(f"mpforge > warning: {words}\n")
