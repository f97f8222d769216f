"""Which files of the host a step's programs are shown: those that its texts and its programs name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.keys.walk import ABSENT
from mpforge.kinds import named_paths
from mpforge.obtain import host_programs
from mpforge.places import root_contents
from mpforge.plan.steps import OutputOf, RepairWheel, Step, Variables
from mpforge.plan.texts import Placeholder, Text
from mpforge.store.file_digests import FileDigests


def naming(text: Text) -> list[str]:
    """The texts of a step with a variable of this text."""
    command = RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_17")
    return [*Step("s", "s", command, variables=Variables(values=(("FLAGS", text),))).texts()]


def shown(text: Text) -> set[str]:
    """The paths that a step with a variable of this text is shown."""
    return {str(path) for path in named_paths.mounted(naming(text))}


def test_each_change_below_a_path_that_the_spec_names_is_another_key(tmp_path: Path) -> None:
    given, link = tmp_path / "given", tmp_path / "link"
    link.symlink_to(given)

    def part() -> str:
        found = named_paths.parts(
            naming((f"-L{tmp_path} x:{link}",)), FileDigests(tmp_path / "note.json")
        )
        assert [*found] == [f"named.{link}"]
        return found[f"named.{link}"]

    known = [part()]
    assert known == [ABSENT]
    steps: list[Callable[[], object]] = [
        lambda: (given / "lib").mkdir(parents=True),
        lambda: (given / "lib/a.so").write_text("1"),
        lambda: (given / "lib/a.so").write_text("2"),
        lambda: (given / "lib/a.so").chmod(0o755),
        lambda: (given / "lib/b.so").symlink_to("a.so"),
        lambda: os.mkfifo(given / "pipe"),
        lambda: given.rename(tmp_path / "away"),
        lambda: given.write_text("a file"),
    ]
    for change in steps:
        change()
        known.append(part())
        assert part() == known[-1]
    assert known.count(ABSENT) == 2  # at first, and renamed
    assert len({*known}) == len(known) - 1


def test_a_digest_of_many_files_is_remembered_until_a_stamp_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_paths, "is_old", lambda _: True)
    given, read = tmp_path / "given", list[Path]()
    given.mkdir()
    (given / "a").write_text("1")
    described = named_paths._described

    def noting(path: Path) -> str:
        read.append(path)
        return described(path)

    monkeypatch.setattr(named_paths, "_described", noting)

    def part() -> dict[str, str]:
        return named_paths.parts(naming((str(given),)), FileDigests(tmp_path / "note.json"))

    first = part()
    assert read
    read.clear()
    assert part() == first
    assert not read
    (given / "a").write_text("22")
    assert part() != first


def test_what_the_base_system_has_and_what_is_no_path_is_in_no_key() -> None:
    text = "/usr/lib /bin/gone https://example.invalid/x s/a/b/ /dev/null /build/x /tmp"
    text += " sqlite:// 7 // 2 ls /"  # no path, and no step sees all of the host
    text += " -L/opt/x -I/opt/y -Wl,-rpath,/opt/x"  # what is read there is compared
    assert named_paths.parts(naming((text,)), FileDigests(Path("/nonexistent"))) == {}


@pytest.mark.parametrize("words", ["-I{}", "-L{} -lgiven", "-Wl,-rpath,{}", "a:{}:b", "'{}'"])
def test_a_path_that_a_text_of_the_spec_names_is_shown(words: str, tmp_path: Path) -> None:
    assert shown((words.format(tmp_path),)) == {str(tmp_path)}


def test_the_end_of_another_path_is_none_nor_what_is_not_there(tmp_path: Path) -> None:
    assert shown((Placeholder("project"), str(tmp_path))) == set()
    assert shown(("ls / 'sqlite://'",)) == set()
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
