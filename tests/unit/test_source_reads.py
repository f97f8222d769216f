"""Which files were read, by what the real file system says of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.places import source_reads


def _map(path: Path) -> None:
    import mmap

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:1] == b"x"


def _read_and_hide(path: Path) -> None:
    before = path.stat()
    path.read_bytes()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _move_and_read(path: Path) -> None:
    path.rename(path.with_name("moved")).read_bytes()


def _link_and_read(path: Path) -> None:
    os.link(path, path.with_name("link"))
    path.with_name("link").read_bytes()


WAYS: dict[str, Callable[[Path], object]] = {
    "read": Path.read_bytes,
    "copied": lambda path: shutil.copy(path, path.with_name("copy")),
    "mapped": _map,
    "read, with its times set back": _read_and_hide,
    "moved away and read there": _move_and_read,
    "linked and read by the link": _link_and_read,
    "written": lambda path: path.write_bytes(b"y"),
    "removed": Path.unlink,
}


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    """Two files as a step gets them, where the file system tells what is read."""
    if not source_reads.access_times_tell(tmp_path):
        pytest.skip("this file system records no access times")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 5000)
        os.utime(tmp_path / name, (315532800, 315532800))
    return tmp_path


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_read_is_seen_and_the_rest_is_not(
    source: Path, way: Callable[[Path], object]
) -> None:
    watch = source_reads.watch(source, ["a", "b"])
    assert watch.read() == ()
    way(source / "a")
    assert watch.read() == ("a",)


def test_looking_at_names_and_sizes_is_no_read(source: Path) -> None:
    watch = source_reads.watch(source, ["a", "b"])
    assert sorted(os.listdir(source)) == ["a", "b"]
    assert (source / "a").stat().st_size == 5000
    assert watch.read() == ()


def test_where_reads_can_t_be_told_all_is_taken_for_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(source_reads, "_stamp", lambda _path: (0,))  # as with noatime
    assert not source_reads.access_times_tell(tmp_path)
    assert source_reads.watch(tmp_path, ["a"]).read() == ("a",)
    assert not source_reads.access_times_tell(tmp_path / "absent")
