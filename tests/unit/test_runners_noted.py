"""What is noted of a step's programs: enough to be in their place later, and no secret."""

from pathlib import Path

import pytest

from mpforge.places.recorded_commands import NOTES, Program, note, pasted, read


def test_what_is_noted_is_read_less_the_secrets(tmp_path: Path) -> None:
    one = Program("make", tmp_path, {"A": "é\n", "TOKEN": "hushed"})
    two = Program("make install", tmp_path / "b", {"A": "2"})
    for program in (one, two):
        note(tmp_path, program, ("TOKEN",))
    assert read(tmp_path) == (Program("make", tmp_path, {"A": "é\n"}), two)
    assert "hushed" not in (tmp_path / NOTES).read_text()


@pytest.mark.parametrize("text", [None, "", "{", "[]", "1", '{"line": "make"}'])
def test_a_directory_without_notes_or_with_others_tells_of_nothing(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / NOTES).write_text(text)
    assert read(tmp_path) == ()


def test_programs_of_one_place_are_pasted_as_they_are(tmp_path: Path) -> None:
    programs = (Program("make", tmp_path, {"A": "1"}), Program("ls\nls", tmp_path, {"A": "1"}))
    assert pasted(programs, tmp_path) == ("make", "ls\nls")
    assert list(tmp_path.iterdir()) == []


def test_a_program_of_other_variables_gets_a_script_that_sets_them(tmp_path: Path) -> None:
    first = Program("echo a\necho b", tmp_path / "there", {"A": "it's", "B": "same"})
    last = Program("make", tmp_path, {"A": "1", "B": "same", "VIEW": "x"})
    shown, other = pasted((first, last), tmp_path)
    assert shown == 'sh "$MPFORGE_STEP_DIR/program-1.sh"  # echo a …'
    assert other == "make"
    lines = (tmp_path / "program-1.sh").read_text().splitlines()
    assert lines == [
        f"cd {tmp_path}/there || exit",
        "unset VIEW",
        "export A='it'\"'\"'s'",
        "echo a",
        "echo b",
    ]
