"""Which files of a project are its source, where there is no git (with git: tests/e2e)."""

import os
from pathlib import Path

import pytest

from mpforge.errors import SourceMissing
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.sources import project
from mpforge.sources.project import Project, locate
from tests.memory_store import MemoryStore


def _write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def _files(source: Project) -> list[str]:
    return [path for path, _ in project.files(source).tree.walk()]


# --- where it is ------------------------------------------------------------------------------


def test_a_plain_directory_is_found_relative_to_the_spec(tmp_path: Path) -> None:
    _write(tmp_path, "package/pyproject.toml")
    found = locate(tmp_path, "package", "multiplatform.toml")
    assert (found.form, found.root, found.is_sdist) == (
        "directory",
        (tmp_path / "package").resolve(),
        False,
    )


def test_an_unpacked_sdist_is_known_by_its_pkg_info(tmp_path: Path) -> None:
    _write(tmp_path, "PKG-INFO", "setup.py")
    found = locate(tmp_path, ".", "multiplatform.toml")
    assert (found.form, found.is_sdist) == ("unpacked-sdist", True)


@pytest.mark.parametrize("name", ["p-1.tar.gz", "p-1.zip"])
def test_a_packed_sdist_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    _write(tmp_path, name)
    found = locate(tmp_path, name, "multiplatform.toml")
    assert (found.form, found.is_sdist) == ("packed-sdist", True)


@pytest.mark.parametrize("source", ["nowhere", "README.md"])
def test_what_can_t_be_built_is_said_with_the_place_that_was_looked_at(
    tmp_path: Path, source: str
) -> None:
    _write(tmp_path, "README.md")
    with pytest.raises(SourceMissing, match=r"project\.source") as caught:
        locate(tmp_path, source, "multiplatform.toml")
    assert str(tmp_path) in (caught.value.hint or "")


# --- which files ------------------------------------------------------------------------------


def test_what_tools_leave_behind_is_no_source_of_a_directory(tmp_path: Path) -> None:
    kept = ["pyproject.toml", "src/p/a.c", "src/p/data.so", "src/build/x.py", "tests/test_a.py"]
    left = [
        "src/p/__pycache__/a.cpython-311.pyc",
        "src/p/a.cpython-311-x86_64-linux-gnu.so",
        "src/p/b.abi3.so",
        ".venv/bin/python",
        ".hg/x",
        "build/lib/x.py",
        "p.egg-info/PKG-INFO",
        "node_modules/x.js",
        ".DS_Store",
    ]
    _write(tmp_path, *kept, *left)
    assert sorted(_files(locate(tmp_path, ".", "m.toml"))) == sorted(kept)


def test_mpforge_s_own_files_are_no_source(tmp_path: Path) -> None:
    own = ["noxfile.py", "m.toml", "m.lock", "multiplatform.lock", ".mpforge/x", "dist/x.whl"]
    kept = ["pyproject.toml", "sub/noxfile.py", "sub/dist/x", "n.toml"]
    _write(tmp_path, *own, *kept)
    assert sorted(_files(locate(tmp_path, ".", "m.toml"))) == sorted(kept)


def test_an_unpacked_sdist_keeps_what_a_checkout_would_not(tmp_path: Path) -> None:
    _write(tmp_path, "PKG-INFO", "p.egg-info/SOURCES.txt", "build/config.py", "p/x.abi3.so")
    assert "p.egg-info/SOURCES.txt" in _files(locate(tmp_path, ".", "m.toml"))
    assert "build/config.py" in _files(locate(tmp_path, ".", "m.toml"))
    assert "p/x.abi3.so" in _files(locate(tmp_path, ".", "m.toml"))


def test_what_a_former_build_left_in_an_unpacked_sdist_is_no_source(tmp_path: Path) -> None:
    _write(tmp_path, "PKG-INFO", "build/lib.linux-x86_64-cpython-311/p/x.so", "build/x")
    assert _files(locate(tmp_path, ".", "m.toml")) == ["PKG-INFO"]


def test_without_git_links_that_leave_the_source_are_left_out_and_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _write(root, "a/file", "..file")
    for name, target in {
        "inside": "a/file",
        "a/up": "../..file",
        "folder": "a",
        "dangling": "a/nothing",
        "absolute": str(root / "a/file"),
        "out": "../elsewhere",
        "a/out": "../../elsewhere",
        "a/self": ".",
        "a/above": "../a",
    }.items():
        (root / name).symlink_to(target)
    found = project.files(locate(root, ".", "m.toml"))
    linked = {path for path, node in found.tree.walk() if isinstance(node, str)}
    assert linked == {"inside", "a/up", "folder", "dangling"}
    assert found.tree.get("absolute") == found.tree.get("a/file")
    assert [words.split(" ")[0] for words in found.left_out] == [
        "a/above",
        "a/out",
        "a/self",
        "out",
    ]


def test_what_is_no_file_is_no_source(tmp_path: Path) -> None:
    _write(tmp_path, "a/b")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert _files(locate(tmp_path, ".", "m.toml")) == ["a/b"]


def test_a_library_s_source_without_git_keeps_its_build_directory(tmp_path: Path) -> None:
    for name in ("build/cmake/CMakeLists.txt", "lib/zstd.h", "x.pyc"):
        path = tmp_path / "zstd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    paths = PathPackages(tmp_path, MemoryStore(tmp_path / "scratch"))
    kept = [name for name, _ in paths.files("zstd", released=True).walk()]
    assert kept == ["build/cmake/CMakeLists.txt", "lib/zstd.h"]
    assert [name for name, _ in paths.files("zstd").walk()] == ["lib/zstd.h"]  # a Python project
    paths.copy("zstd", tmp_path / "copy", released=True)
    assert (tmp_path / "copy" / "build" / "cmake" / "CMakeLists.txt").is_file()


def test_a_new_file_of_a_directory_is_one_of_its_source_s_but_not_below_our_own(
    tmp_path: Path,
) -> None:
    source = locate(tmp_path, ".", "multiplatform.toml")
    _write(tmp_path, "x.tgz", "a/x.tgz", "dist/x.tgz", ".mpforge/x.tgz", "__pycache__/x.tgz")
    places = ("x.tgz", "a/x.tgz", "dist/x.tgz", ".mpforge/x.tgz", "__pycache__/x.tgz", "../x.tgz")
    assert [name for name in places if project.has(source, tmp_path / name)] == ["x.tgz", "a/x.tgz"]
