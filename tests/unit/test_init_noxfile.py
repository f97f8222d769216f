"""What `mpforge init` says of the noxfile, and that it never writes over anything."""

from pathlib import Path

import pytest

from mpforge.cli.init import noxfile_advice, registers, write_new
from mpforge.errors import WrongInput


@pytest.mark.parametrize(
    "text",
    [
        "import mpforge.sessions\nmpforge.sessions.register()\n",
        "import nox, mpforge.sessions as m\nm.register('agent.toml', prefix='agent')\n",
        "from mpforge import sessions\nsessions.register()\n",
        "from mpforge.sessions import register\nregister()\n",
    ],
)
def test_a_noxfile_that_registers_is_recognised(text: str) -> None:
    assert registers(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import nox\n",
        "import mpforge.sessions\n# mpforge.sessions.register()\n",
        "mpforge.sessions.register()\n",
        "def register(): ...\nregister()\n",
        "import mpforge.sessions\nmpforge.sessions.register(\n",
    ],
)
def test_a_noxfile_that_does_not_register_is_not(text: str) -> None:
    assert not registers(text)


def test_a_project_without_a_noxfile_is_told_the_two_lines(tmp_path: Path) -> None:
    advice = noxfile_advice(tmp_path / "noxfile.py", "")
    assert advice.splitlines() == [
        "create noxfile.py with these two lines:",
        "  import mpforge.sessions",
        "  mpforge.sessions.register()",
    ]
    assert not (tmp_path / "noxfile.py").exists()


def test_a_right_noxfile_is_said_to_be_right(tmp_path: Path) -> None:
    noxfile = tmp_path / "noxfile.py"
    noxfile.write_text("import mpforge.sessions\nmpforge.sessions.register()\n")
    assert "already" in noxfile_advice(noxfile, "")


def test_another_specs_name_is_in_the_line(tmp_path: Path) -> None:
    assert "mpforge.sessions.register('agent.toml')" in noxfile_advice(
        tmp_path / "n", "'agent.toml'"
    )


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    there = tmp_path / "multiplatform.toml"
    there.write_text("mine")
    with pytest.raises(WrongInput, match="already exists and was not changed"):
        write_new(there, "other")
    assert there.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["multiplatform.toml"]


def test_a_new_file_is_written_whole(tmp_path: Path) -> None:
    write_new(tmp_path / "new.toml", "schema = 1\n")
    assert (tmp_path / "new.toml").read_bytes() == b"schema = 1\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="can't write to"):
        write_new(tmp_path / "no" / "multiplatform.toml", "x")
