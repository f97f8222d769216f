"""Which files of the host a step's programs are shown: those that its texts and its programs name."""

from pathlib import Path

import pytest

from mpforge.kinds import visible_files
from mpforge.obtain import host_programs
from mpforge.places import root_contents
from mpforge.plan.steps import OutputOf, RepairWheel, Step, Variables
from mpforge.plan.texts import Placeholder, Text


def shown(text: Text) -> set[str]:
    """The paths that a step with a variable of this text is shown."""
    command = RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_17")
    step = Step("s", "s", command, variables=Variables(values=(("FLAGS", text),)))
    return {str(path) for path in visible_files.named_paths(step)}


@pytest.mark.parametrize("words", ["-I{}", "-L{} -lgiven", "-Wl,-rpath,{}", "a:{}:b", "'{}'"])
def test_a_path_that_a_text_of_the_spec_names_is_shown(words: str, tmp_path: Path) -> None:
    assert shown((words.format(tmp_path),)) == {str(tmp_path)}


def test_the_end_of_another_path_is_none_nor_what_is_not_there(tmp_path: Path) -> None:
    assert shown((Placeholder("project"), str(tmp_path))) == set()
    assert shown((f"src{tmp_path} ./{tmp_path} {tmp_path}/gone",)) == set()


def test_no_home_and_nothing_of_the_system_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".config").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shown((f"{tmp_path} {tmp_path}/.config {tmp_path.parent} / /proc /etc /run",)) == set()


def test_a_program_is_shown_with_its_installation_and_the_interpreter_that_it_names(
    tmp_path: Path,
) -> None:
    for name in ("python", "tool"):
        (tmp_path / name / "bin").mkdir(parents=True)
    python, script = tmp_path / "python/bin/python3", tmp_path / "tool/bin/tool"
    python.write_bytes(b"\x7fELF")
    script.write_text(f"#!{python}\n", encoding="utf-8")
    (tmp_path / "link").symlink_to(script)
    expected = {tmp_path / "link", tmp_path / "tool", python, tmp_path / "python"}
    assert host_programs.files_of(str(tmp_path / "link")) == expected


def test_a_program_of_a_users_own_directory_is_shown_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (".local/bin", "bin"):
        program = tmp_path / folder / "tool"
        program.parent.mkdir(parents=True)
        program.write_bytes(b"\x7fELF")
        assert host_programs.files_of(str(program)) == {program}


def test_what_a_shown_directory_holds_and_what_the_base_holds_is_not_shown_twice(
    tmp_path: Path,
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    words = root_contents.bind_mounts([tmp_path / "link/b", tmp_path / "a", Path("/usr/bin/env")])
    assert words[2::3] == (f"{tmp_path}/a", f"{tmp_path}/link/b")
