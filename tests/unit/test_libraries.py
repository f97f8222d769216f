"""An interpreter's library is known by its content: whatever an environment of it can import counts."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.obtain.pythons import interpreter_library
from mpforge.store.file_digests import FileDigests

OLD = 10**18


def write(path: Path, text: str) -> None:
    """Write a file that is not young."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(OLD, OLD))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library, as far as it takes to be one."""
    root = tmp_path / "lib" / "python3.11"
    for name in ("textwrap.py", "json/__init__.py", "lib-dynload/_ssl.so", "test/test_x.py"):
        write(root / name, "1")
    write(root / "site-packages" / "numpy.py", "1")
    write(root / "__pycache__" / "textwrap.cpython-311.pyc", "1")
    return root


def digest(library: Path) -> str:
    """What a new session finds."""
    path = [str(library.parent / "python311.zip"), str(library), str(library / "lib-dynload")]
    digests = FileDigests(library.parents[1] / "libraries.json")
    return interpreter_library.of_builds(path, digests)


def plant(name: str) -> Callable[[Path], None]:
    return lambda root: write(root / name, "2")


def link_from_elsewhere(root: Path) -> None:
    write(root.parents[1] / "etc" / "sitecustomize.py", "2")
    (root / "sitecustomize.py").symlink_to("../../etc/sitecustomize.py")


@pytest.mark.parametrize(
    "change",
    [
        plant("textwrap.py"),  # of the same size
        plant("sitecustomize.py"),
        plant("usercustomize.py"),
        plant("json/more.py"),
        plant("evil.pth"),
        plant("lib-dynload/_ssl.so"),
        plant("../python311.zip"),
        link_from_elsewhere,
        lambda root: (root / "textwrap.py").unlink(),
        lambda root: shutil.move(root / "json", root / "json2"),
    ],
)
def test_a_change_of_what_can_be_imported_is_seen(
    library: Path, change: Callable[[Path], None]
) -> None:
    before = digest(library)
    change(library)
    assert digest(library) != before


@pytest.mark.parametrize(
    "name",
    [
        "site-packages/numpy.py",
        "site-packages/evil.pth",
        "dist-packages/x.py",
        "test/test_x.py",
        "__pycache__/textwrap.cpython-311.pyc",
    ],
)
def test_what_an_environment_does_not_import_is_not_in_it(library: Path, name: str) -> None:
    before = digest(library)
    write(library / name, "2")
    assert digest(library) == before


def test_where_it_lies_and_when_it_came_there_is_not_in_it(library: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "lib" / "python3.11"
    shutil.copytree(library, other)
    (other / "textwrap.py").touch()
    assert digest(other) == digest(library)


def test_it_is_read_once_while_nothing_changes(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = max(path.stat().st_ctime_ns for path in library.rglob("*")) + 3 * 10**9
    monkeypatch.setattr("time.time_ns", lambda: later)  # the files are not young any more
    before = digest(library)
    monkeypatch.setattr("hashlib.file_digest", None)
    assert digest(library) == before


def test_a_young_file_is_read_again(library: Path) -> None:
    before = digest(library)
    assert not (library.parents[1] / "libraries.json").exists()
    assert digest(library) == before
