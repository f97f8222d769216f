"""A project that one shell script builds, and programs of this host that it may call."""

import os
from pathlib import Path

import pytest

from tests.e2e.workspace import NOXFILE, PROGRAMS, Cache, Workspace

HERE = os.uname().machine


BUILD, TEST = f"build-{HERE}", f"test-{HERE}"


SPEC = """
    schema = 1

    [project]
    targets = ["{target}"]

    [build]
    kind = "commands"
    toolchain = "gcc"
    commands = ["./make.sh"]
    outputs = ["out.txt"]
"""


def write_plain(workspace: Workspace, script: str) -> Workspace:
    """A project that is one shell script."""
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", SPEC.format(target=HERE))
    workspace.write("make.sh", f"#!/bin/bash\nset -e\n{script}\necho made > out.txt\n")
    (workspace.root / "make.sh").chmod(0o755)
    return workspace


@pytest.fixture(scope="session")
def plain_built(quick_built: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The plain project, built with this host's Python, whose files are digested by that."""
    root = tmp_path_factory.mktemp("plain")
    workspace = write_plain(Workspace(root / "project", Cache(root / "cache")), "")
    quick_built.cache.copy_tools(workspace.cache)
    spec(workspace, 'tools = ["python3"]')
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    return workspace


@pytest.fixture
def plain(plain_built: Workspace, place: Path) -> Workspace:
    """A project that makes one file by a shell script, and a cache of its own."""
    workspace = write_plain(Workspace(place / "project", Cache(place / "cache")), "")
    plain_built.cache.copy_tools(workspace.cache)
    return workspace


def spec(workspace: Workspace, *lines: str) -> None:
    """Add lines to the build's table, or further tables."""
    text = workspace.read("multiplatform.toml")
    workspace.write("multiplatform.toml", text + "".join(f"{line}\n" for line in lines))


def program(folder: Path, name: str, text: str) -> Path:
    """A program of this host's, a shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def seeing(folder: Path) -> dict[str, str | None]:
    """Variables of a run whose PATH has the folder first."""
    return {"PATH": f"{folder}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
