"""Specs that `mpforge init` writes, for its tests."""

import tomllib
from collections.abc import Mapping
from typing import Any

from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.initial_spec import InitialSpec, initial_spec
from mpforge.spec.load import find_problems

PROJECT = '[project]\nname = "p"\nrequires-python = ">=3.9"\n'
WORKFLOW = ".github/workflows/release.yml"
ALL = ["cp39", "cp310", "cp311", "cp312", "cp313", "cp314", "cp315", "cp314t", "cp315t"]


def written(
    pyproject: str | None = PROJECT,
    files: Mapping[str, str] | None = None,
    *,
    exist: tuple[str, ...] = (),
    pkg_info: str | None = None,
) -> InitialSpec:
    """The spec, which must be a good one whatever the project says; ``files`` are further ones by path."""
    texts = {} if pyproject is None else {"pyproject.toml": pyproject}
    texts |= files or {}
    initial = initial_spec(ProjectFiles(texts, exist.__contains__, pkg_info))
    assert find_problems(initial.text, file="multiplatform.toml") == ()
    return initial


def table(options: str, project: str = PROJECT) -> str:
    """A pyproject.toml with these options of cibuildwheel."""
    return f"{project}[tool.cibuildwheel]\n{options}\n"


def spec_of(options: str, *, exist: tuple[str, ...] = ()) -> dict[str, Any]:
    """The written spec of a project with these options of cibuildwheel."""
    return tomllib.loads(written(table(options), exist=exist).text)


def outcomes(initial: InitialSpec) -> list[str]:
    """Every outcome: `NAME OUTCOME: text`."""
    return [f"{e.setting.name} {e.outcome}: {e.text}" for e in initial.account.entries()]


def outcomes_of(options: str) -> list[str]:
    """The outcomes of these options of cibuildwheel."""
    return outcomes(written(table(options)))


def in_workflow(
    job: str, *, top: str = "", path: str = WORKFLOW, pyproject: str = PROJECT
) -> InitialSpec:
    """The spec of a project with a workflow of one job, which is given by its content."""
    lines = "\n".join(f"    {line}" for line in job.strip("\n").splitlines())
    text = f"on: [push]\n{top}\njobs:\n  wheels:\n{lines}\n"
    return written(pyproject, {path: text})
