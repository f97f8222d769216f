"""Sources in git: which files, which state, and the clone that the sdist step sees."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from mpforge.errors import SourceUnreadable
from mpforge.kinds.inputs import Inputs
from mpforge.places.step import StepDirectory, base_environment
from mpforge.processes import capture
from mpforge.sources import git, git_clone, project
from mpforge.sources.project import Project, locate
from mpforge.store.local import Store
from mpforge.store.trees import FileNode

pytestmark = pytest.mark.git

SPEC = "multiplatform.toml"


def _git(root: Path, *arguments: str) -> str:
    settings = ["user.name=T", "user.email=t@example.org", "protocol.file.allow=always"]
    options = [word for setting in settings for word in ("-c", setting)]
    done = capture(["git", *options, "-C", str(root), *arguments], brief=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _write(root: Path, **contents: str) -> None:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _repository(root: Path, **contents: str) -> Path:
    root.mkdir(parents=True)
    _git(root, "init", "-q", "-b", "main")
    _write(root, **contents)
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture(name="root")
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    _repository(root, **contents)
    _git(root, "tag", "v1.0")
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    return root


def _project(root: Path) -> Project:
    return locate(root, ".", SPEC)


def _files(source: Project) -> list[str]:
    return [path for path, _ in project.files(source).tree.walk()]


def _clone(root: Path, destination: Path) -> Path:
    """What the sdist step sees: a clone with the source's files put in place."""
    inputs = Inputs(_project(root), store := Store(root.parent / "store"))
    tree, state = inputs.stored(), inputs.vcs
    assert state is not None
    place = git_clone.create(root, state, destination)
    store.restore(tree, place)
    git_clone.settle(destination, state, place, tree)
    return place


def _described(root: Path) -> str:
    """What setuptools_scm asks for."""
    return _git(root, "describe", "--dirty", "--tags", "--long", "--always")


# --- which files ------------------------------------------------------------------------------


def test_a_checkout_s_source_is_what_git_tracks_and_what_it_does_not_ignore(root: Path) -> None:
    _write(root, **{"src/new.c": "", "src/p.o": "", "__pycache__/x.pyc": "", "dist/x.whl": ""})
    (root / "src/p.c").unlink()
    assert _project(root).form == "checkout"
    assert _files(_project(root)) == [
        ".gitignore",
        "__pycache__/x.pyc",
        "pyproject.toml",
        "src/new.c",
    ]


def test_names_that_a_shell_would_trip_over_are_kept(root: Path) -> None:
    names = ["with space.c", "new\nline.c", "ünï.c", '"quoted".c', "-dash.c"]
    _write(root, **dict.fromkeys(names, ""))
    assert set(names) <= set(_files(_project(root)))


def test_a_name_that_is_no_utf_8_is_a_file_like_others(root: Path) -> None:
    name = os.fsdecode(b"latin-\xe9.c")
    _write(root, **{name: ""})
    assert name in _files(_project(root))
    _git(root, "add", "-A")
    assert name in _files(_project(root))


def test_files_below_a_folder_that_became_a_link_are_gone(root: Path) -> None:
    (root / "src").rename(root / "moved")
    (root / "src").symlink_to("moved")
    found = _files(_project(root))
    assert {"moved/p.c", "src"} <= set(found)
    assert "src/p.c" not in found


def test_a_package_below_the_top_has_its_own_files_only(root: Path) -> None:
    _write(root, **{"sub/pyproject.toml": "", "sub/a.c": ""})
    found = locate(root, "sub", SPEC)
    assert found.form == "checkout"
    assert _files(found) == ["a.c", "pyproject.toml"]


def test_an_ignored_directory_of_a_checkout_is_a_plain_one(root: Path) -> None:
    _write(root, **{".gitignore": "made/\n", "made/pyproject.toml": "", "made/a.pyc": ""})
    found = locate(root, "made", SPEC)
    assert found.form == "directory"
    assert _files(found) == ["pyproject.toml"]


def test_variables_of_a_git_hook_do_not_lead_to_another_repository(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = _repository(tmp_path / "other", **{"only-here.c": ""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    assert git.top_level(root) == root.resolve()
    assert "only-here.c" not in _files(_project(root))


def test_a_step_finds_no_repository_above_its_own_directory(root: Path) -> None:
    """The cache may lie in a checkout."""
    directory = StepDirectory(root / "cache" / "step").prepare()
    directory.source.mkdir()
    environment = base_environment(directory, os.environ["PATH"].split(os.pathsep))
    done = capture(["git", "log"], environment=environment, cwd=directory.source, brief=True)
    assert "not a git repository" in done.stderr


# --- links ------------------------------------------------------------------------------------


@pytest.fixture(name="linked")
def _linked(root: Path) -> Path:
    """A package below the top, with links to what the repository has beside it."""
    _write(root, **{"csrc/lib.c": "int lib;", "csrc/lib.o": "", "LICENSE": "licence"})
    _write(root, **{"sub/pyproject.toml": "", "csrc/run": "#!/bin/sh\n"})
    (root / "csrc/run").chmod(0o755)
    (root / "csrc/near.c").symlink_to("lib.c")
    for name, target in {"csrc": "../csrc", "LICENSE": "../LICENSE", "away": "/etc"}.items():
        (root / "sub" / name).symlink_to(target)
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "links")
    _git(root, "tag", "v2.0")
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
    _write(linked.parent, LICENSE="another licence")
    _write(linked.parent, **{"csrc/new.c": ""})  # not tracked, not ignored
    again = project.files(locate(linked, ".", SPEC)).tree
    assert set(dict(again.walk())) == files | {"csrc/new.c"}
    assert again.get("LICENSE") != entries["LICENSE"]


def test_in_the_clone_what_links_lead_to_is_committed_as_the_links_are(
    linked: Path, tmp_path: Path
) -> None:
    """setuptools_scm takes what ``git archive`` says, flit what is tracked."""
    place = _clone(linked, tmp_path / "clone")
    assert _described(place) == _described(linked)
    assert "dirty" not in _described(place)
    assert _git(place, "status", "--porcelain") == ""
    archive = _git(place, "archive", "--format=tar", "HEAD")
    assert all(text in archive for text in ("csrc/lib.c", "csrc/near.c", "int lib;", "licence"))
    assert "csrc/run" in _git(place, "ls-files")
    _write(linked.parent, **{"csrc/lib.c": "int changed;"})
    assert "dirty" in _described(_clone(linked, tmp_path / "clone-2"))


def test_a_link_into_a_submodule_is_followed(with_submodule: Path) -> None:
    _write(with_submodule, **{"sub/pyproject.toml": "", "vendor/library/x.o": ""})
    (with_submodule / "sub/library").symlink_to("../vendor/library")
    (with_submodule / "sub/lib.c").symlink_to("../vendor/library/lib.c")
    sub = with_submodule / "sub"
    assert set(_files(_project(sub))) == {
        "lib.c",
        "library/.gitignore",
        "library/lib.c",
        "pyproject.toml",
    }
    before = _state(sub)
    _write(with_submodule, **{"vendor/library/lib.c": "int changed;"})
    assert _state(sub).dirty != before.dirty


# --- submodules -------------------------------------------------------------------------------


@pytest.fixture(name="with_submodule")
def _with_submodule(root: Path, tmp_path: Path) -> Path:
    library = _repository(tmp_path / "library", **{"lib.c": "int lib;", ".gitignore": "*.o\n"})
    _git(root, "submodule", "-q", "add", str(library), "vendor/library")
    _git(root, "commit", "-q", "-m", "submodule")
    return root


def test_a_submodule_s_files_are_source(with_submodule: Path) -> None:
    _write(with_submodule, **{"vendor/library/new.c": "", "vendor/library/x.o": ""})
    found = _files(_project(with_submodule))
    assert {"vendor/library/lib.c", "vendor/library/new.c"} <= set(found)
    assert "vendor/library/x.o" not in found
    assert "vendor/library" not in found


def test_a_submodule_that_is_not_checked_out_is_said_with_the_command(
    with_submodule: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    _git(tmp_path, "clone", "-q", str(with_submodule), str(clone))
    with pytest.raises(SourceUnreadable, match="vendor/library") as caught:
        _files(_project(clone))
    assert "submodule update" in (caught.value.hint or "")


# --- state ------------------------------------------------------------------------------------


def _state(root: Path) -> git.VcsState:
    state = Inputs(_project(root), Store(root.parent / "store")).vcs
    assert state is not None
    return state


def test_a_commit_a_tag_a_branch_and_a_change_each_change_the_state(root: Path) -> None:
    seen = [_state(root)]
    _write(root, **{"src/p.c": "int q;"})
    seen.append(_state(root))
    _git(root, "commit", "-q", "-a", "-m", "second")
    seen.append(_state(root))
    _git(root, "tag", "v1.1")
    seen.append(_state(root))
    _git(root, "checkout", "-q", "-b", "other")
    seen.append(_state(root))
    assert len({repr(state) for state in seen}) == len(seen)
    assert [bool(state.dirty) for state in seen] == [False, True, False, False, False]


def test_how_git_keeps_its_tags_does_not_change_the_state(root: Path, tmp_path: Path) -> None:
    _git(root, "tag", "-a", "-m", "said", "release/2.0")
    before = _state(root)
    _git(root, "pack-refs", "--all")
    assert _state(root) == before
    _git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    assert _state(tmp_path / "tree").tags == before.tags
    _git(root, "tag", "-f", "v1.0", "release/2.0")
    assert _state(root).tags != before.tags
    _git(root, "tag", "-d", "v1.0")
    _git(root, "symbolic-ref", "refs/tags/v1.0", "refs/tags/release/2.0")
    assert _state(root).tags != before.tags
    _git(root, "tag", "-d", "v1.0")
    _git(root, "pack-refs", "--all")
    _git(root, "tag", "v1.0")
    assert _state(root) == before


def test_without_any_tag_there_is_a_state(root: Path) -> None:
    before = _state(root)
    _git(root, "tag", "-d", "v1.0")
    shutil.rmtree(root / ".git" / "refs" / "tags")
    assert _state(root).tags != before.tags


def test_touching_a_file_and_mpforge_s_own_files_do_not_change_the_state(root: Path) -> None:
    before = _state(root)
    os.utime(root / "src/p.c", (0, 0))
    _write(root, **{SPEC: "schema = 1\n[project]\n", "dist/x.whl": "", ".mpforge/x": ""})
    assert _state(root) == before


def test_reading_a_repository_does_not_write_to_it(root: Path) -> None:
    os.utime(root / "src/p.c", (0, 0))
    before = {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")}
    _state(root)
    _files(_project(root))
    assert {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")} == before


def test_nothing_that_the_checkout_s_configuration_names_runs(
    with_submodule: Path, tmp_path: Path
) -> None:
    """A file system monitor, filters and hooks are programs; so are those of a submodule."""
    root = with_submodule
    ran = tmp_path / "ran"
    for place in (root, root / "vendor/library"):
        _git(place, "config", "core.fsmonitor", f"touch {ran}; false")
        _git(place, "config", "core.hooksPath", str(tmp_path / "hooks"))
        for word in ("clean", "smudge", "process"):
            _git(place, "config", f"filter.evil.{word}", f"touch {ran}; cat")
        _git(place, "config", "filter.evil.required", "true")
        attributes = place / _git(place, "rev-parse", "--git-path", "info/attributes").strip()
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* filter=evil\n")
    hook = tmp_path / "hooks" / "post-index-change"
    _write(tmp_path, **{"hooks/post-index-change": f"#!/bin/sh\ntouch {ran}\n"})
    hook.chmod(0o755)
    for path in ("src/p.c", "vendor/library/lib.c"):
        os.utime(root / path, (0, 0))
    ran.unlink(missing_ok=True)
    _clone(root, tmp_path / "clone")
    assert _state(root).dirty == ()
    assert not ran.exists()


def test_a_filter_that_git_can_t_be_told_to_leave_out_is_refused(root: Path) -> None:
    _git(root, "config", "filter.a=b.clean", "cat")
    with pytest.raises(SourceUnreadable, match="a=b"):
        _state(root)


def test_a_file_that_lfs_has_checked_out_is_unchanged_and_an_edited_one_is_not(
    root: Path, tmp_path: Path
) -> None:
    content = b"a large file"
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12\n"
    _write(root, **{"large.bin": pointer, ".gitattributes": "*.bin filter=lfs\n"})
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "large")
    _git(root, "config", "filter.lfs.clean", "git-lfs clean -- %f")
    (told,) = Inputs(_project(root), Store(root.parent / "store")).doubts
    assert told.startswith("Git LFS has not fetched large.bin: the build gets the pointer files")
    (root / "large.bin").write_bytes(content)
    assert Inputs(_project(root), Store(root.parent / "store")).doubts == ()
    assert _state(root).dirty == ()
    place = _clone(root, tmp_path / "clone")
    assert (place / "large.bin").read_bytes() == content
    assert "dirty" not in _described(place)
    (root / "large.bin").write_bytes(b"an edited one")
    assert _state(root).dirty == (".M large.bin",)


# --- the clone --------------------------------------------------------------------------------


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
    _git(tmp_path, "clone", "-q", "--depth", "1", f"file://{with_submodule}", str(root))
    _git(root, "submodule", "--quiet", "update", "--init")
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
        _git(root, *change)
        place = _clone(root, tmp_path / f"clone-{number}")
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
    _write(root, **{"sub/pyproject.toml": "", "other": "1"})
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "sub")
    before = _state(root / "sub")
    _write(root, other="2")
    _git(root, "add", "other")
    assert _state(root / "sub") == before
    assert "dirty" not in _described(_clone(root / "sub", tmp_path / "clone"))
    _write(root, **{"sub/pyproject.toml": "# edited"})
    assert _state(root / "sub").dirty == (".M sub/pyproject.toml",)
    assert "dirty" in _described(_clone(root / "sub", tmp_path / "clone-2"))


def test_line_ends_that_the_user_s_settings_ask_for_are_no_change(
    root: Path, tmp_path: Path
) -> None:
    _write(root, lines="1\n2\n")
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "lines")
    _git(root, "config", "core.autocrlf", "true")
    (root / "lines").unlink()
    _git(root, "checkout", "-q", "lines")
    place = _clone(root, tmp_path / "clone")
    assert (place / "lines").read_bytes() == b"1\r\n2\r\n"
    assert "dirty" not in _described(place)


def test_a_clean_checkout_s_clone_has_the_same_version_and_is_clean(
    root: Path, tmp_path: Path
) -> None:
    place = _clone(root, tmp_path / "clone")
    assert _described(place) == _described(root)
    assert "dirty" not in _described(place)
    assert not (place / "noxfile.py").exists()
    assert _git(place, "status", "--porcelain") == ""


def test_a_dirty_checkout_s_clone_is_as_dirty(root: Path, tmp_path: Path) -> None:
    _write(root, **{"src/p.c": "int q;", "src/staged.c": ""})
    _git(root, "add", "src/staged.c")
    place = _clone(root, tmp_path / "clone")
    assert _described(place) == _described(root)
    assert "dirty" in _described(place)
    assert _git(place, "status", "--porcelain") == _git(root, "status", "--porcelain")


def test_a_file_that_is_only_changed_where_builds_do_not_look_leaves_the_clone_clean(
    root: Path, tmp_path: Path
) -> None:
    _write(root, **{"noxfile.py": "import nox", SPEC: "schema = 1\n\n"})
    place = _clone(root, tmp_path / "clone")
    assert "dirty" not in _described(place)


def test_a_package_below_the_top_is_cloned_with_the_history_of_the_whole(
    root: Path, tmp_path: Path
) -> None:
    _write(root, **{"sub/pyproject.toml": "", "sub/a.c": ""})
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "sub")
    sub = root / "sub"
    place = _clone(sub, tmp_path / "clone")
    assert place == tmp_path / "clone" / "sub"
    assert sorted(path.name for path in place.iterdir()) == ["a.c", "pyproject.toml"]
    assert _described(place) == _described(sub)


def test_a_shallow_checkout_as_ci_makes_it_can_be_cloned(root: Path, tmp_path: Path) -> None:
    _write(root, **{"src/p.c": "int q;"})
    _git(root, "commit", "-q", "-a", "-m", "second")
    shallow = tmp_path / "shallow"
    _git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", str(shallow))
    place = _clone(shallow, tmp_path / "clone")
    assert _described(place) == _described(shallow)
    assert (place / "src/p.c").read_text() == "int q;"


def test_a_work_tree_of_another_checkout_can_be_cloned(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    _git(root, "worktree", "add", "-q", "-b", "other", str(tree))
    _write(tree, **{"src/p.c": "int q;"})
    _git(tree, "commit", "-q", "-a", "-m", "on the other branch")
    place = _clone(tree, tmp_path / "clone")
    assert _described(place) == _described(tree)
    assert "dirty" not in _described(place)
    assert _state(tree).branch == "other"


def test_a_repository_without_a_commit_can_be_cloned(tmp_path: Path) -> None:
    root = tmp_path / "young"
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    _write(root, **{"pyproject.toml": ""})
    _git(root, "add", "-A")
    git.top_level.cache_clear()
    git.common_directory.cache_clear()
    assert _state(root).head == ""
    place = _clone(root, tmp_path / "clone")
    assert (place / "pyproject.toml").exists()


def test_a_conflict_where_builds_do_not_look_is_no_obstacle(root: Path, tmp_path: Path) -> None:
    _write(root, other="0", **{"sub/pyproject.toml": ""})
    _git(root, "add", "-A", "-f")
    _git(root, "commit", "-q", "-m", "base")
    main = _git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    _git(root, "checkout", "-q", "-b", "theirs")
    for branch, text in (("theirs", "1"), (main, "2")):
        _git(root, "checkout", "-q", branch)
        _write(root, other=text)
        _git(root, "commit", "-q", "-a", "-m", text)
    with pytest.raises(AssertionError):
        _git(root, "merge", "-q", "theirs")
    assert _git(root, "ls-files", "-u")
    place = _clone(root / "sub", tmp_path / "clone")
    assert (place / "pyproject.toml").exists()
    assert _state(root / "sub").dirty == ()
    assert "dirty" not in _described(place)


def test_a_clone_with_a_submodule_is_as_clean_as_its_original(
    with_submodule: Path, tmp_path: Path
) -> None:
    place = _clone(with_submodule, tmp_path / "clone")
    assert (place / "vendor/library/lib.c").read_text() == "int lib;"
    assert _described(place) == _described(with_submodule)


def test_a_clone_lacks_what_was_deleted_and_is_dirty_for_it(root: Path, tmp_path: Path) -> None:
    (root / "src/p.c").unlink()
    place = _clone(root, tmp_path / "clone")
    assert not (place / "src/p.c").exists()
    assert "dirty" in _described(place)
    assert _described(place) == _described(root)


def test_a_clone_with_a_dirty_submodule_is_as_dirty_as_its_original(
    with_submodule: Path, tmp_path: Path
) -> None:
    _write(with_submodule, **{"vendor/library/lib.c": "int changed;"})
    place = _clone(with_submodule, tmp_path / "clone")
    assert "dirty" in _described(with_submodule)
    assert _described(place) == _described(with_submodule)
