"""The state of a repository changes with what a build can ask git, and with nothing else."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from mpforge.errors import SourceUnreadable
from mpforge.kinds.inputs import Inputs
from mpforge.sources import git
from mpforge.store.local import Store
from tests.integration.repositories import (
    SPEC,
    clone_of,
    described,
    files_of,
    project_of,
    run_git,
    write_files,
)

pytestmark = pytest.mark.git


def _state(root: Path) -> git.VcsState:
    state = Inputs(project_of(root), Store(root.parent / "store")).vcs
    assert state is not None
    return state


def test_a_commit_a_tag_a_branch_and_a_change_each_change_the_state(root: Path) -> None:
    seen = [_state(root)]
    write_files(root, **{"src/p.c": "int q;"})
    seen.append(_state(root))
    run_git(root, "commit", "-q", "-a", "-m", "second")
    seen.append(_state(root))
    run_git(root, "tag", "v1.1")
    seen.append(_state(root))
    run_git(root, "checkout", "-q", "-b", "other")
    seen.append(_state(root))
    assert len({repr(state) for state in seen}) == len(seen)
    assert [bool(state.dirty) for state in seen] == [False, True, False, False, False]


def test_how_git_keeps_its_tags_does_not_change_the_state(root: Path, tmp_path: Path) -> None:
    run_git(root, "tag", "-a", "-m", "said", "release/2.0")
    before = _state(root)
    run_git(root, "pack-refs", "--all")
    assert _state(root) == before
    run_git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    assert _state(tmp_path / "tree").tags == before.tags
    run_git(root, "tag", "-f", "v1.0", "release/2.0")
    assert _state(root).tags != before.tags
    run_git(root, "tag", "-d", "v1.0")
    run_git(root, "symbolic-ref", "refs/tags/v1.0", "refs/tags/release/2.0")
    assert _state(root).tags != before.tags
    run_git(root, "tag", "-d", "v1.0")
    run_git(root, "pack-refs", "--all")
    run_git(root, "tag", "v1.0")
    assert _state(root) == before


def test_without_any_tag_there_is_a_state(root: Path) -> None:
    before = _state(root)
    run_git(root, "tag", "-d", "v1.0")
    shutil.rmtree(root / ".git" / "refs" / "tags")
    assert _state(root).tags != before.tags


def test_touching_a_file_and_mpforge_s_own_files_do_not_change_the_state(root: Path) -> None:
    before = _state(root)
    os.utime(root / "src/p.c", (0, 0))
    write_files(root, **{SPEC: "schema = 1\n[project]\n", "dist/x.whl": "", ".mpforge/x": ""})
    assert _state(root) == before


def test_reading_a_repository_does_not_write_to_it(root: Path) -> None:
    os.utime(root / "src/p.c", (0, 0))
    before = {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")}
    _state(root)
    files_of(project_of(root))
    assert {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")} == before


def test_nothing_that_the_checkout_s_configuration_names_runs(
    with_submodule: Path, tmp_path: Path
) -> None:
    """A file system monitor, filters and hooks are programs; so are those of a submodule."""
    root = with_submodule
    ran = tmp_path / "ran"
    for place in (root, root / "vendor/library"):
        run_git(place, "config", "core.fsmonitor", f"touch {ran}; false")
        run_git(place, "config", "core.hooksPath", str(tmp_path / "hooks"))
        for word in ("clean", "smudge", "process"):
            run_git(place, "config", f"filter.evil.{word}", f"touch {ran}; cat")
        run_git(place, "config", "filter.evil.required", "true")
        attributes = place / run_git(place, "rev-parse", "--git-path", "info/attributes").strip()
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* filter=evil\n")
    hook = tmp_path / "hooks" / "post-index-change"
    write_files(tmp_path, **{"hooks/post-index-change": f"#!/bin/sh\ntouch {ran}\n"})
    hook.chmod(0o755)
    for path in ("src/p.c", "vendor/library/lib.c"):
        os.utime(root / path, (0, 0))
    ran.unlink(missing_ok=True)
    clone_of(root, tmp_path / "clone")
    assert _state(root).dirty == ()
    assert not ran.exists()


def test_a_filter_that_git_can_t_be_told_to_leave_out_is_refused(root: Path) -> None:
    run_git(root, "config", "filter.a=b.clean", "cat")
    with pytest.raises(SourceUnreadable, match="a=b"):
        _state(root)


def test_a_file_that_lfs_has_checked_out_is_unchanged_and_an_edited_one_is_not(
    root: Path, tmp_path: Path
) -> None:
    content = b"a large file"
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12\n"
    write_files(root, **{"large.bin": pointer, ".gitattributes": "*.bin filter=lfs\n"})
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "large")
    run_git(root, "config", "filter.lfs.clean", "git-lfs clean -- %f")
    (told,) = Inputs(project_of(root), Store(root.parent / "store")).doubts
    assert told.startswith("Git LFS has not fetched large.bin: the build gets the pointer files")
    (root / "large.bin").write_bytes(content)
    assert Inputs(project_of(root), Store(root.parent / "store")).doubts == ()
    assert _state(root).dirty == ()
    place = clone_of(root, tmp_path / "clone")
    assert (place / "large.bin").read_bytes() == content
    assert "dirty" not in described(place)
    (root / "large.bin").write_bytes(b"an edited one")
    assert _state(root).dirty == (".M large.bin",)
