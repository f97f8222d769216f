"""Homes of processes: who lives is seen and left alone, what the dead left goes."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mpforge.store.process_homes import Home, living, oldest, sweep, used


def dead_home(folder: Path) -> Path:
    """What a killed process leaves: a directory that nobody holds."""
    path = folder / "1700000000-1-dead"
    (path / "3" / "step").mkdir(parents=True)
    (path / "uses").write_text("tool zig\n", encoding="utf-8")
    return path


def test_a_living_processs_home_is_not_swept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    file = home.directory() / "file"
    file.write_text("x", encoding="utf-8")
    sweep(tmp_path)
    Home(tmp_path).close()
    assert file.exists()
    assert list(living(tmp_path)) == [home.path]
    home.close()


def test_a_dead_processs_home_goes_when_the_next_process_makes_one(tmp_path: Path) -> None:
    dead = dead_home(tmp_path)
    assert list(living(tmp_path)) == []
    home = Home(tmp_path)
    assert not dead.exists()
    home.close()


def test_a_home_goes_with_all_that_is_in_it_when_it_is_closed(tmp_path: Path) -> None:
    home = Home(tmp_path / "work")
    (home.directory() / "file").write_text("x", encoding="utf-8")
    home.close()
    assert list((tmp_path / "work").iterdir()) == []


def test_paths_in_a_home_differ(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert len({home.new(), home.new(), home.directory(), home.directory()}) == 4
    home.close()


def test_what_living_processes_use_is_known_to_others_and_what_the_dead_used_is_not(
    tmp_path: Path,
) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    dead_home(tmp_path)
    first.use("action a", "tool b")
    second.use("tool c")
    second.use("tool d")
    assert used(tmp_path) == {"action a", "tool b", "tool c", "tool d"}
    first.close()
    assert used(tmp_path) == {"tool c", "tool d"}
    second.close()
    assert used(tmp_path) == set()


def test_the_oldest_living_process_tells_since_when_things_are_used(tmp_path: Path) -> None:
    assert oldest(tmp_path, but=tmp_path) is None
    now = time.time()
    early, late = Home(tmp_path, since=now - 100), Home(tmp_path)
    assert oldest(tmp_path, but=late.path) == int(now - 100)
    began = oldest(tmp_path, but=early.path)
    assert began is not None
    assert began > now - 100
    early.close()
    late.close()


def test_files_among_the_homes_are_not_taken_for_homes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "link").symlink_to(os.curdir)
    sweep(tmp_path)
    assert list(living(tmp_path)) == []
    assert (tmp_path / "file").exists()


def test_where_there_is_no_folder_nobody_lives(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    sweep(absent)
    assert (list(living(absent)), used(absent)) == ([], set())


def test_a_home_that_is_just_being_made_is_never_swept(tmp_path: Path) -> None:
    """Many that begin at once: each sweeps before it makes its own."""

    def lives(_number: int) -> bool:
        home = Home(tmp_path)
        sweep(tmp_path)
        lived = home.path.exists()
        home.close()
        return lived

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lives, range(400)))
    assert list(tmp_path.iterdir()) == []


def test_what_a_step_made_read_only_goes_too(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = home.directory() / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "file").touch()
    (folder / "b").chmod(0o500)
    folder.chmod(0o500)
    home.close()
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_uses_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.path / "uses").write_bytes(b"\xff\xfe\ntool a\n")
    assert "tool a" in used(tmp_path)
    home.close()
