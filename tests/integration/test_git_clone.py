"""The clone that the sdist step sees is as clean, or as dirty, as its original."""

from pathlib import Path

import pytest

from mpforge.processes import capture
from mpforge.sources import git
from tests.integration.repositories import SPEC, clone_of, described, run_git, write_files
from tests.integration.test_git_state import _state

pytestmark = pytest.mark.git


_QUESTIONS = (
    ("rev-list", "--count", "HEAD"),
    ("describe", "--all", "--long", "--dirty"),
    ("log", "--all", "--format=%h %H %d %N"),
    ("for-each-ref", "--format=%(objectname) %(refname) %(taggerdate) %(contents)"),
    ("config", "--local", "--list"),
    ("submodule", "status"),
)


def test_what_a_backend_can_ask_of_git_is_in_the_key_or_not_in_the_clone(
    with_submodule: Path, tmp_path: Path
) -> None:
    """After each change of the repository: another answer only with another state."""
    root = tmp_path / "checkout"
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{with_submodule}", str(root))
    run_git(root, "submodule", "--quiet", "update", "--init")
    date = "2001-01-01T00:00:00Z"
    changes = (
        ("status",),
        ("fetch", "-q", "--unshallow", "--tags"),
        ("branch", "other", "HEAD~1"),
        ("notes", "add", "-m", "a note", "HEAD"),
        ("replace", "--graft", "HEAD"),
        ("tag", "-m", "first", "v2.0"),
        ("tag", "-f", "-m", "second", "v2.0"),
        ("remote", "set-url", "origin", "https://example.org/other"),
        ("config", "core.abbrev", "20"),
        ("-C", "vendor/library", "commit", "-q", "--allow-empty", "-m", "second"),
        ("commit", "-q", "--amend", "--allow-empty", "-m", "again", f"--date={date}"),
        ("checkout", "-q", "--detach"),
        ("pack-refs", "--all"),
    )
    told: dict[str, str] = {}
    seen = set()
    for number, change in enumerate(changes):
        run_git(root, *change)
        place = clone_of(root, tmp_path / f"clone-{number}")
        answers = repr([_asked(place, question) for question in _QUESTIONS])
        assert told.setdefault(repr(_state(root).parts()), answers) == answers, change
        seen.add(answers)
        shown = _asked(place, ("for-each-ref", "--format=%(refname)")).split()
        assert all(name.startswith("refs/tags/") or "heads" in name for name in shown), change
    assert len(seen) == 8


def _asked(root: Path, question: tuple[str, ...]) -> str:
    done = capture(["git", "-C", str(root), *question], brief=True)
    return done.stdout or done.stderr


def test_a_change_beside_the_source_is_no_change_of_it(root: Path, tmp_path: Path) -> None:
    write_files(root, **{"sub/pyproject.toml": "", "other": "1"})
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "sub")
    before = _state(root / "sub")
    write_files(root, other="2")
    run_git(root, "add", "other")
    assert _state(root / "sub") == before
    assert "dirty" not in described(clone_of(root / "sub", tmp_path / "clone"))
    write_files(root, **{"sub/pyproject.toml": "# edited"})
    assert _state(root / "sub").dirty == (".M sub/pyproject.toml",)
    assert "dirty" in described(clone_of(root / "sub", tmp_path / "clone-2"))


def test_line_ends_that_the_user_s_settings_ask_for_are_no_change(
    root: Path, tmp_path: Path
) -> None:
    write_files(root, lines="1\n2\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "lines")
    run_git(root, "config", "core.autocrlf", "true")
    (root / "lines").unlink()
    run_git(root, "checkout", "-q", "lines")
    place = clone_of(root, tmp_path / "clone")
    assert (place / "lines").read_bytes() == b"1\r\n2\r\n"
    assert "dirty" not in described(place)


def test_a_clean_checkout_s_clone_has_the_same_version_and_is_clean(
    root: Path, tmp_path: Path
) -> None:
    place = clone_of(root, tmp_path / "clone")
    assert described(place) == described(root)
    assert "dirty" not in described(place)
    assert not (place / "noxfile.py").exists()
    assert run_git(place, "status", "--porcelain") == ""


def test_a_dirty_checkout_s_clone_is_as_dirty(root: Path, tmp_path: Path) -> None:
    write_files(root, **{"src/p.c": "int q;", "src/staged.c": ""})
    run_git(root, "add", "src/staged.c")
    place = clone_of(root, tmp_path / "clone")
    assert described(place) == described(root)
    assert "dirty" in described(place)
    assert run_git(place, "status", "--porcelain") == run_git(root, "status", "--porcelain")


def test_a_file_that_is_only_changed_where_builds_do_not_look_leaves_the_clone_clean(
    root: Path, tmp_path: Path
) -> None:
    write_files(root, **{"noxfile.py": "import nox", SPEC: "schema = 1\n\n"})
    place = clone_of(root, tmp_path / "clone")
    assert "dirty" not in described(place)


def test_a_package_below_the_top_is_cloned_with_the_history_of_the_whole(
    root: Path, tmp_path: Path
) -> None:
    write_files(root, **{"sub/pyproject.toml": "", "sub/a.c": ""})
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "sub")
    sub = root / "sub"
    place = clone_of(sub, tmp_path / "clone")
    assert place == tmp_path / "clone" / "sub"
    assert sorted(path.name for path in place.iterdir()) == ["a.c", "pyproject.toml"]
    assert described(place) == described(sub)


def test_a_shallow_checkout_as_ci_makes_it_can_be_cloned(root: Path, tmp_path: Path) -> None:
    write_files(root, **{"src/p.c": "int q;"})
    run_git(root, "commit", "-q", "-a", "-m", "second")
    shallow = tmp_path / "shallow"
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", str(shallow))
    place = clone_of(shallow, tmp_path / "clone")
    assert described(place) == described(shallow)
    assert (place / "src/p.c").read_text() == "int q;"


def test_a_work_tree_of_another_checkout_can_be_cloned(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    run_git(root, "worktree", "add", "-q", "-b", "other", str(tree))
    write_files(tree, **{"src/p.c": "int q;"})
    run_git(tree, "commit", "-q", "-a", "-m", "on the other branch")
    place = clone_of(tree, tmp_path / "clone")
    assert described(place) == described(tree)
    assert "dirty" not in described(place)
    assert _state(tree).branch == "other"


def test_a_repository_without_a_commit_can_be_cloned(tmp_path: Path) -> None:
    root = tmp_path / "young"
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    write_files(root, **{"pyproject.toml": ""})
    run_git(root, "add", "-A")
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    assert _state(root).head == ""
    place = clone_of(root, tmp_path / "clone")
    assert (place / "pyproject.toml").exists()


def test_a_conflict_where_builds_do_not_look_is_no_obstacle(root: Path, tmp_path: Path) -> None:
    write_files(root, other="0", **{"sub/pyproject.toml": ""})
    run_git(root, "add", "-A", "-f")
    run_git(root, "commit", "-q", "-m", "base")
    main = run_git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    run_git(root, "checkout", "-q", "-b", "theirs")
    for branch, text in (("theirs", "1"), (main, "2")):
        run_git(root, "checkout", "-q", branch)
        write_files(root, other=text)
        run_git(root, "commit", "-q", "-a", "-m", text)
    with pytest.raises(AssertionError):
        run_git(root, "merge", "-q", "theirs")
    assert run_git(root, "ls-files", "-u")
    place = clone_of(root / "sub", tmp_path / "clone")
    assert (place / "pyproject.toml").exists()
    assert _state(root / "sub").dirty == ()
    assert "dirty" not in described(place)


def test_a_clone_with_a_submodule_is_as_clean_as_its_original(
    with_submodule: Path, tmp_path: Path
) -> None:
    place = clone_of(with_submodule, tmp_path / "clone")
    assert (place / "vendor/library/lib.c").read_text() == "int lib;"
    assert described(place) == described(with_submodule)


def test_a_clone_lacks_what_was_deleted_and_is_dirty_for_it(root: Path, tmp_path: Path) -> None:
    (root / "src/p.c").unlink()
    place = clone_of(root, tmp_path / "clone")
    assert not (place / "src/p.c").exists()
    assert "dirty" in described(place)
    assert described(place) == described(root)


def test_a_clone_with_a_dirty_submodule_is_as_dirty_as_its_original(
    with_submodule: Path, tmp_path: Path
) -> None:
    write_files(with_submodule, **{"vendor/library/lib.c": "int changed;"})
    place = clone_of(with_submodule, tmp_path / "clone")
    assert "dirty" in described(with_submodule)
    assert described(place) == described(with_submodule)
