"""Files of a result that name the directory of their build are told, and nothing else is."""

from pathlib import Path

from mpforge.artifacts.step_paths import warnings


def test_text_files_that_name_a_path_of_the_build_are_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text("#!/build/env/bin/python\n")
    (tmp_path / "lib.pc").write_text("prefix=/mpforge/step/installed\nlibdir=${prefix}/lib\n")
    assert list(warnings(tmp_path, ["/build", "/mpforge/step"])) == [
        "bin/tool names /build/env/bin/python, a path of the build, which exists on no other machine",
        "lib.pc names /mpforge/step/installed, a path of the build, which exists on no other machine",
    ]


def test_other_paths_compiled_files_and_sources_with_cython_s_comments_are_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "words.py").write_text("'/build/', 'x/build/src', '/builder/src', '/build/srcs'")
    (tmp_path / "module.so").write_bytes(b"\x7fELF\0/build/src/a.c")
    (tmp_path / "made.c").write_text("/* /build/env/numpy.h */")
    (tmp_path / "link").symlink_to("/build/src/x")
    assert list(warnings(tmp_path, ["/build"])) == []


def test_many_files_are_counted(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).write_text("/build/src")
    assert list(warnings(tmp_path, ["/build"]))[3:] == ["2 more files name paths of the build"]
