"""Places that are no files or can't be known: an error that says so, no traceback, nothing that waits."""

import os
from pathlib import Path

import pytest

from mpforge.cli.main import main
from mpforge.errors import FileTrouble, LockInvalid, SpecNotFound
from mpforge.lock import lock_file
from mpforge.obtain.pythons import installed_pythons
from mpforge.workspace import cache_directory, open_workspace


def _make(kind: str, path: Path) -> Path:
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    return path


KINDS = ["directory", "fifo", "loop", "device", "missing"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_that_is_no_file_is_told(tmp_path: Path, kind: str) -> None:
    words = {"directory": "is a directory", "missing": "there is no multiplatform.toml"}
    with pytest.raises(SpecNotFound, match=words.get(kind, "is not a regular file")):
        open_workspace(_make(kind, tmp_path / "multiplatform.toml"), {"MPFORGE_CACHE": "/x"})


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_lock_that_is_no_file_is_told(tmp_path: Path, kind: str) -> None:
    with pytest.raises(LockInvalid, match=r"m\.lock can't be read\n  it is not a regular file"):
        lock_file.read(_make(kind, tmp_path / "m.lock"))


def test_a_spec_that_is_too_large_is_not_read_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    spec = tmp_path / "multiplatform.toml"
    spec.touch()
    os.truncate(spec, 2**42)  # of holes: it takes no room
    assert main(["check", "--spec", str(spec)]) == 2
    assert "it is larger than 16,000,000 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "plan"])
def test_a_spec_that_is_not_utf_8_is_told_with_its_place(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    spec = tmp_path / "multiplatform.toml"
    spec.write_bytes(b"schema = 1\n# \xff\n")
    assert main([command, "--spec", str(spec)]) == 2
    told = capsys.readouterr()
    assert (
        "multiplatform.toml:2:3: toml-syntax: this is not TOML: it is not UTF-8"
        in told.out + told.err
    )


def test_a_cache_of_a_user_without_a_home_is_told() -> None:
    with pytest.raises(FileTrouble, match="set MPFORGE_CACHE"):
        cache_directory({"MPFORGE_CACHE": "~no-such-user-at-all/cache"})


def test_a_folder_of_path_that_can_t_be_looked_into_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may look into all: a name that is too long is refused to everybody."""
    monkeypatch.setenv("PATH", f"{tmp_path}/{'x' * 300}")
    assert not any(tmp_path in path.parents for path in installed_pythons.candidates("3.11", ""))
