"""``mpforge check``: list every problem of the spec and of its lock, and its conflicts with the project."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator

from mpforge.cli.options import workspace_of
from mpforge.compiler import project_checks
from mpforge.engine.load_index import content, text_of
from mpforge.engine.load_plan import facts_of, source_of
from mpforge.errors import (
    ExitCode,
    LockInvalid,
    MpforgeError,
    Place,
    Problem,
    SourceMissing,
    SpecInvalid,
)
from mpforge.lock import lock_file
from mpforge.spec.check_names import check_test_sources
from mpforge.spec.finding import Finding
from mpforge.spec.load import find_problems
from mpforge.spec.model import Spec
from mpforge.spec.options import is_wheel, target_names
from mpforge.store.local import opened
from mpforge.workspace import Workspace

DESCRIPTION = "List every problem of the spec."


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each problem; return 2 if one of them is an error."""
    workspace = workspace_of(arguments)
    try:
        text = text_of(content(workspace), workspace)
        problems = find_problems(
            text, file=workspace.spec.name, beside=lambda spec: _of_project(workspace, text, spec)
        )
    except SpecInvalid as error:
        problems = error.problems
    problems = (*problems, *_of_lock(workspace))
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    wrong = [problem for problem in problems if not problem.warning]
    if not wrong:
        sys.stdout.write(f"{workspace.spec.name}: no errors\n")
    return ExitCode.WRONG_INPUT if wrong else ExitCode.DONE


def _of_lock(workspace: Workspace) -> Iterator[Problem]:
    """Yield the reason why the lock can't be read, if so."""
    try:
        lock_file.read(workspace.lock)
    except LockInvalid as error:
        words = "; ".join(filter(None, (error.what, error.why, error.hint)))
        yield Problem(error.code, words, error.place or Place(workspace.lock.name))


def _of_project(workspace: Workspace, text: str, spec: Spec) -> Iterable[Finding]:
    """Return the spec's conflicts with this project; unreadable build files are reported by its build."""
    place = "project", "source"
    try:
        source = source_of(workspace, text, opened(workspace.cache / "store"))
        files = [path for path, _ in source.files.walk()]
    except MpforgeError as error:
        words = ": ".join(filter(None, (error.what, error.why and error.why.splitlines()[0])))
        return [Finding(error.code, place, words)]
    found = [Finding("source-doubtful", place, words, warning=True) for words in source.doubts]
    found += check_test_sources(spec, files)
    builds_wheels = any(is_wheel(spec, name) for name in target_names(spec))
    with contextlib.suppress(MpforgeError, OSError):
        try:
            facts, listing = facts_of(workspace, spec, source, wheel=builds_wheels)
        except SourceMissing as error:
            return [*found, Finding(error.code, place, f"{error.what}; {error.hint}")]
        found += (*listing.findings, *project_checks.findings(spec, facts))
    return found
