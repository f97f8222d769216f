"""Sources of libraries in git repositories."""

import os
from pathlib import Path

import pytest

from mpforge.errors import IndexUnreachable
from mpforge.obtain import git_commits
from mpforge.processes import capture

pytestmark = pytest.mark.git


def git(root: Path, *words: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    names = (
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x.example",
        "-c",
        "protocol.file.allow=always",
    )
    done = capture(["git", *names, "-C", str(root), *words], environment=own)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(root: Path, text: str) -> str:
    """A repository with a file; return its commit."""
    root.mkdir()
    git(root, "init", "-q")
    (root / "x.c").write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", text)
    return git(root, "rev-parse", "HEAD")


def test_the_files_of_a_commit_are_fetched_with_its_submodules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in a git hook
    repository(tmp_path / "part", "part")
    root = tmp_path / "it"
    repository(root, "one")
    git(root, "submodule", "-q", "add", str(tmp_path / "part"), "part")
    git(root, "commit", "-q", "-m", "with a part")
    commit = git(root, "rev-parse", "HEAD")
    (root / "x.c").write_text("two")
    git(root, "commit", "-q", "-am", "two")
    git(root, "checkout", "-q", "--orphan", "other")
    place = tmp_path / "place"
    git_commits.fetch(str(root), commit, place, "the source of it")
    assert (place / "x.c").read_text() == "one"
    assert (place / "part" / "x.c").read_text() == "part"
    assert not [*place.rglob(".git")]

    with pytest.raises(IndexUnreachable, match="the source of it could not be fetched") as error:
        git_commits.fetch(str(root), "5" * 40, tmp_path / "other", "the source of it")
    assert "5" * 40 in str(error.value.why)
