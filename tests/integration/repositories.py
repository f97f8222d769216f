"""Repositories of git, and what mpforge makes of them."""

from pathlib import Path

import pytest

from mpforge.kinds.inputs import Inputs
from mpforge.processes import capture
from mpforge.sources import git, git_clone, project
from mpforge.sources.project import Project, locate
from mpforge.store.local import Store

SPEC = "multiplatform.toml"


def run_git(root: Path, *arguments: str) -> str:
    settings = ["user.name=T", "user.email=t@example.org", "protocol.file.allow=always"]
    options = [word for setting in settings for word in ("-c", setting)]
    done = capture(["git", *options, "-C", str(root), *arguments], brief=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_files(root: Path, **contents: str) -> None:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def make_repository(root: Path, **contents: str) -> Path:
    root.mkdir(parents=True)
    run_git(root, "init", "-q", "-b", "main")
    write_files(root, **contents)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / "repository"
    contents = {
        "pyproject.toml": "[project]\n",
        "src/p.c": "int p;",
        SPEC: "schema = 1\n",
        "noxfile.py": "",
        ".gitignore": "*.o\n",
    }
    make_repository(root, **contents)
    run_git(root, "tag", "v1.0")
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    return root


def project_of(root: Path) -> Project:
    return locate(root, ".", SPEC)


def files_of(source: Project) -> list[str]:
    return [path for path, _ in project.files(source).tree.walk()]


def clone_of(root: Path, destination: Path) -> Path:
    """What the sdist step sees: a clone with the source's files put in place."""
    inputs = Inputs(project_of(root), store := Store(root.parent / "store"))
    tree, state = inputs.stored(), inputs.vcs
    assert state is not None
    place = git_clone.create(root, state, destination)
    store.restore(tree, place)
    git_clone.settle(destination, state, place, tree)
    return place


def described(root: Path) -> str:
    """What setuptools_scm asks for."""
    return run_git(root, "describe", "--dirty", "--tags", "--long", "--always")


@pytest.fixture
def with_submodule(root: Path, tmp_path: Path) -> Path:
    library = make_repository(tmp_path / "library", **{"lib.c": "int lib;", ".gitignore": "*.o\n"})
    run_git(root, "submodule", "-q", "add", str(library), "vendor/library")
    run_git(root, "commit", "-q", "-m", "submodule")
    return root
