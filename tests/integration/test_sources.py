"""Sources in git: which files are the source, and where their links lead."""

import os
from pathlib import Path

import pytest

from mpforge.errors import SourceUnreadable
from mpforge.kinds.inputs import Inputs
from mpforge.places.step import StepDirectory, base_environment
from mpforge.processes import capture
from mpforge.sources import git, project
from mpforge.sources.project import locate
from mpforge.store.local import Store
from mpforge.store.trees import FileNode
from tests.integration.repositories import (
    SPEC,
    clone_of,
    described,
    files_of,
    make_repository,
    project_of,
    run_git,
    write_files,
)
from tests.integration.test_git_state import _state

pytestmark = pytest.mark.git


def test_a_checkout_s_source_is_what_git_tracks_and_what_it_does_not_ignore(root: Path) -> None:
    write_files(root, **{"src/new.c": "", "src/p.o": "", "__pycache__/x.pyc": "", "dist/x.whl": ""})
    (root / "src/p.c").unlink()
    assert project_of(root).form == "checkout"
    assert files_of(project_of(root)) == [
        ".gitignore",
        "__pycache__/x.pyc",
        "pyproject.toml",
        "src/new.c",
    ]


def test_names_that_a_shell_would_trip_over_are_kept(root: Path) -> None:
    names = ["with space.c", "new\nline.c", "ünï.c", '"quoted".c', "-dash.c"]
    write_files(root, **dict.fromkeys(names, ""))
    assert set(names) <= set(files_of(project_of(root)))


def test_a_name_that_is_no_utf_8_is_a_file_like_others(root: Path) -> None:
    name = os.fsdecode(b"latin-\xe9.c")
    write_files(root, **{name: ""})
    assert name in files_of(project_of(root))
    run_git(root, "add", "-A")
    assert name in files_of(project_of(root))


def test_files_below_a_folder_that_became_a_link_are_gone(root: Path) -> None:
    (root / "src").rename(root / "moved")
    (root / "src").symlink_to("moved")
    found = files_of(project_of(root))
    assert {"moved/p.c", "src"} <= set(found)
    assert "src/p.c" not in found


def test_a_package_below_the_top_has_its_own_files_only(root: Path) -> None:
    write_files(root, **{"sub/pyproject.toml": "", "sub/a.c": ""})
    found = locate(root, "sub", SPEC)
    assert found.form == "checkout"
    assert files_of(found) == ["a.c", "pyproject.toml"]


def test_an_ignored_directory_of_a_checkout_is_a_plain_one(root: Path) -> None:
    write_files(root, **{".gitignore": "made/\n", "made/pyproject.toml": "", "made/a.pyc": ""})
    found = locate(root, "made", SPEC)
    assert found.form == "directory"
    assert files_of(found) == ["pyproject.toml"]


def test_variables_of_a_git_hook_do_not_lead_to_another_repository(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other", **{"only-here.c": ""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    assert git.top_level(root) == root.resolve()
    assert "only-here.c" not in files_of(project_of(root))


def test_a_step_finds_no_repository_above_its_own_directory(root: Path) -> None:
    """The cache may lie in a checkout."""
    directory = StepDirectory(root / "cache" / "step").prepare()
    directory.source.mkdir()
    environment = base_environment(directory, os.environ["PATH"].split(os.pathsep))
    done = capture(["git", "log"], environment=environment, cwd=directory.source, brief=True)
    assert "not a git repository" in done.stderr


@pytest.fixture(name="linked")
def _linked(root: Path) -> Path:
    """A package below the top, with links to what the repository has beside it."""
    write_files(root, **{"csrc/lib.c": "int lib;", "csrc/lib.o": "", "LICENSE": "licence"})
    write_files(root, **{"sub/pyproject.toml": "", "csrc/run": "#!/bin/sh\n"})
    (root / "csrc/run").chmod(0o755)
    (root / "csrc/near.c").symlink_to("lib.c")
    for name, target in {"csrc": "../csrc", "LICENSE": "../LICENSE", "away": "/etc"}.items():
        (root / "sub" / name).symlink_to(target)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "links")
    run_git(root, "tag", "v2.0")
    return root / "sub"


def test_what_links_lead_to_in_the_repository_is_source_and_in_the_key(linked: Path) -> None:
    found = Inputs(locate(linked, ".", SPEC), Store(linked.parent.parent / "store"))
    entries = dict(found.files.walk())
    files = {"LICENSE", "csrc/lib.c", "csrc/near.c", "csrc/run", "pyproject.toml"}
    assert set(entries) == files
    assert found.doubts == (
        (
            "away is a symlink to /etc, which is outside of the repository: it is left out of the source; "
            "copy its target into the project if the build needs it"
        ),
    )
    assert entries["csrc/near.c"] == "lib.c"
    program = entries["csrc/run"]
    assert isinstance(program, FileNode)
    assert program.executable
    assert found.stored() == found.files
    write_files(linked.parent, LICENSE="another licence")
    write_files(linked.parent, **{"csrc/new.c": ""})  # not tracked, not ignored
    again = project.files(locate(linked, ".", SPEC)).tree
    assert set(dict(again.walk())) == files | {"csrc/new.c"}
    assert again.get("LICENSE") != entries["LICENSE"]


def test_in_the_clone_what_links_lead_to_is_committed_as_the_links_are(
    linked: Path, tmp_path: Path
) -> None:
    """setuptools_scm takes what ``git archive`` says, flit what is tracked."""
    place = clone_of(linked, tmp_path / "clone")
    assert described(place) == described(linked)
    assert "dirty" not in described(place)
    assert run_git(place, "status", "--porcelain") == ""
    archive = run_git(place, "archive", "--format=tar", "HEAD")
    assert all(text in archive for text in ("csrc/lib.c", "csrc/near.c", "int lib;", "licence"))
    assert "csrc/run" in run_git(place, "ls-files")
    write_files(linked.parent, **{"csrc/lib.c": "int changed;"})
    assert "dirty" in described(clone_of(linked, tmp_path / "clone-2"))


def test_a_link_into_a_submodule_is_followed(with_submodule: Path) -> None:
    write_files(with_submodule, **{"sub/pyproject.toml": "", "vendor/library/x.o": ""})
    (with_submodule / "sub/library").symlink_to("../vendor/library")
    (with_submodule / "sub/lib.c").symlink_to("../vendor/library/lib.c")
    sub = with_submodule / "sub"
    assert set(files_of(project_of(sub))) == {
        "lib.c",
        "library/.gitignore",
        "library/lib.c",
        "pyproject.toml",
    }
    before = _state(sub)
    write_files(with_submodule, **{"vendor/library/lib.c": "int changed;"})
    assert _state(sub).dirty != before.dirty


def test_a_submodule_s_files_are_source(with_submodule: Path) -> None:
    write_files(with_submodule, **{"vendor/library/new.c": "", "vendor/library/x.o": ""})
    found = files_of(project_of(with_submodule))
    assert {"vendor/library/lib.c", "vendor/library/new.c"} <= set(found)
    assert "vendor/library/x.o" not in found
    assert "vendor/library" not in found


def test_a_submodule_that_is_not_checked_out_is_said_with_the_command(
    with_submodule: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", str(with_submodule), str(clone))
    with pytest.raises(SourceUnreadable, match="vendor/library") as caught:
        files_of(project_of(clone))
    assert "submodule update" in (caught.value.hint or "")
