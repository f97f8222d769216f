"""The cache as a whole: what can't be removed, what is nobody's, when it is collected again."""

import errno
import os
import time
from pathlib import Path

import pytest

from mpforge.housekeeping import audit, cache_contents, cache_directory
from mpforge.housekeeping.cache_contents import STAMP
from mpforge.store.files import hash_file
from mpforge.store.local import Store
from mpforge.store.process_homes import Home
from mpforge.store.tool_store import ToolStore
from mpforge.store.trees import FileNode
from tests.kept_store import Kept

PACKAGE = f"libc6-{'0' * 64}.deb"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a damaged tool and a damaged package."""
    cache = tmp_path / "cache"
    Store(cache / "store").put_bytes(b"x")
    tools = ToolStore(cache / "tools")
    made = tools.obtain(name="zig", version="1", digest="ab" * 32, make=lambda _: None)
    (made.path / "added").touch()
    package = cache / "distribution" / "downloads" / PACKAGE
    package.parent.mkdir(parents=True)
    package.write_bytes(b"damaged")
    return cache


def read_only(*_words: object, **_named: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


# --- checking it ----------------------------------------------------------------------------------


def test_damaged_tools_and_packages_are_removed(cache: Path) -> None:
    found = {(finding.path.name, finding.state) for finding in cache_directory.verify(cache)}
    assert found == {(f"zig-{'ab' * 8}", "removed"), (PACKAGE, "removed")}
    assert list(cache_directory.verify(cache)) == []


def test_what_is_damaged_and_can_t_be_removed_is_left_and_checking_goes_on(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "rename", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    tool, package = cache_directory.verify(cache)
    assert tool.what == "added was added; it can't be removed (Read-only file system)"
    assert package.what.endswith("; it can't be removed (Read-only file system)")
    assert (tool.state, package.state) == ("left", "left")
    assert tool.path.exists()


def test_a_package_that_may_not_be_read_is_left(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> FileNode:  # as root, who reads everything
        if path.name == PACKAGE:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return hash_file(path)

    monkeypatch.setattr(audit, "hash_file", refused)
    found = [finding for finding in cache_directory.verify(cache) if finding.path.name == PACKAGE]
    assert [finding.state for finding in found] == ["left"]


# --- what is nobody's -----------------------------------------------------------------------------


def test_clearing_leaves_what_no_mpforge_writes_any_more_and_names_it(cache: Path) -> None:
    old = cache / "store" / "fingerprints"
    old.write_text("mine", encoding="utf-8")
    left = cache_directory.clear(cache, waits=lambda: None).left
    assert str(old) in {thing.name for thing in left}
    assert old.exists()


# --- who else is at work --------------------------------------------------------------------------


def packages_go(cache: Path) -> bool:
    (package,) = cache_contents.packages(cache)
    return package.remove(lambda: False)


def test_packages_stay_while_another_process_works_though_its_pid_is_ours(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = cache / "store" / "work" / f"1-{os.getpid()}-other"  # of another container
    monkeypatch.setattr(cache_contents, "living", lambda _: iter([other]))
    assert not packages_go(cache)


def test_kept_directories_of_a_project_go_unless_someone_works_in_them(cache: Path) -> None:
    step = cache / "kept" / "project" / "wheel"
    step.mkdir(parents=True)
    (step / "log").write_bytes(b"failed")
    (kept,) = cache_contents.kept(cache)
    assert (kept.name, kept.size) == ("kept project", 6)
    assert not kept.remove(lambda: True)
    assert kept.remove(lambda: False)
    assert not step.parent.exists()


def test_this_process_alone_keeps_no_package(cache: Path) -> None:
    home = Home(cache / "store" / "work")
    assert packages_go(cache)
    home.close()


# --- when it is collected again -------------------------------------------------------------------


def tidied(cache: Path, size: str | None = None) -> list[str]:
    """What is warned of when the cache is tidied, as after a session."""
    said: list[str] = []
    environment = {} if size is None else {"MPFORGE_CACHE_SIZE": size}
    cache_directory.tidy(cache, environment=environment, warn=said.append)
    return said


def test_it_is_looked_at_once_an_hour_and_when_the_last_time_is_still_to_come(
    tmp_path: Path,
) -> None:
    kept = Kept(tmp_path / "store", tmp_path / "made")

    def left(stamped: float | None) -> int:
        (tmp_path / "store" / "work").mkdir(exist_ok=True)
        if stamped is not None:
            os.utime(tmp_path / STAMP, (time.time() + stamped,) * 2)
        assert tidied(tmp_path, "0") == []
        return len(kept.results())

    kept.result("one", "1")
    assert left(None) == 0
    kept.result("two", "2")
    assert left(-3500) == 1
    assert left(-3700) == 0
    kept.result("three", "3")
    assert left(3600) == 0


def test_a_limit_that_is_not_understood_is_only_warned_of(cache: Path) -> None:
    (warning,) = tidied(cache, "plenty")
    assert "MPFORGE_CACHE_SIZE: 'plenty'" in warning


def test_an_interrupted_collection_is_begun_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cache_directory, "_collect", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tidied(cache)
    assert not (cache / STAMP).exists()
    assert tidied(cache) == []
    assert (cache / STAMP).exists()


def test_a_collection_that_the_system_refused_is_warned_of_once_an_hour(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_directory, "_collect", read_only)
    (warning,) = tidied(cache)
    assert "the cache can't be kept within its limits: Read-only file system" in warning
    assert tidied(cache) == []
