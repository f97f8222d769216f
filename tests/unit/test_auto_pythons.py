"""`python = "auto"`: every CPython that the project's Requires-Python allows."""

import tomllib
from pathlib import Path

import pytest

from mpforge.engine.load_index import load_index
from mpforge.platforms import python_words
from mpforge.spec.load import find_problems, load_spec
from mpforge.spec.options import targets
from mpforge.workspace import open_workspace
from tests.unit.initial_specs import PROJECT, in_workflow, table, written

SPEC = 'schema = 1\n[project]\npython = {}\ntargets = ["aarch64"]\nskip = "*-cp314t"\n'


def built(folder: Path) -> list[str]:
    index = load_index(open_workspace(folder / "multiplatform.toml"))
    return [s.python for s in index.sessions if s.phase == "build" and s.python]


def test_auto_is_every_cpython_without_the_gil_only_where_that_is_supported() -> None:
    words = python_words.automatic()
    assert words[0] == "cp39"
    assert "cp314t" in words
    assert "cp313t" not in words
    assert all(word.startswith("cp") for word in words)


def test_sessions_follow_the_project_s_requires_python(tmp_path: Path) -> None:
    (tmp_path / "multiplatform.toml").write_text(SPEC.format('["auto", "pp311"]'), "utf-8")
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "p"\nrequires-python = ">=3.13"\n', "utf-8")
    assert built(tmp_path) == ["cp313", "cp314", "cp315", "cp315t", "pp311"]
    project.write_text('[project]\nname = "p"\ndynamic = ["requires-python"]\n', "utf-8")
    (tmp_path / "setup.cfg").write_text("[options]\npython_requires = <3.10\n", "utf-8")
    assert built(tmp_path) == ["cp39", "pp311"]


@pytest.mark.parametrize("requires", ["three", "<3"])
def test_a_limit_that_allows_none_leaves_all_for_the_error_about_it(
    tmp_path: Path, requires: str
) -> None:
    (tmp_path / "multiplatform.toml").write_text(SPEC.format('"auto"'), "utf-8")
    text = f'[project]\nname = "p"\nrequires-python = "{requires}"\n'
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    assert len(built(tmp_path)) == len(python_words.automatic()) - 1


def test_a_target_may_have_auto_too() -> None:
    text = SPEC.format('"cp311"') + '[targets.x86_64]\npython = "auto"\n'
    assert find_problems(text, file="f") == ()
    own, other = targets(load_spec(text, file="f"))
    assert own.pythons == ("cp311",)
    assert len(other.pythons) == len(python_words.automatic()) - 1


@pytest.mark.parametrize(
    ("options", "python"),
    [
        ("", "auto"),
        ('skip = "cp314t-*"\nbuild = "*"', "auto"),
        ('skip = "cp314t-*_aarch64"', "auto"),
        ('enable = ["pypy"]', ["auto", "pp311"]),
        ('build = "cp31?-*"', [f"cp3{n}" for n in range(10, 16)]),
    ],
)
def test_init_writes_auto_where_the_options_name_no_python(
    options: str, python: str | list[str]
) -> None:
    assert tomllib.loads(written(table(options)).text)["project"]["python"] == python


def test_free_threaded_pythons_that_cibuildwheel_skips_are_skipped_beside_auto() -> None:
    project = tomllib.loads(written(table('skip = "cp31?t-*"')).text)["project"]
    assert (project["python"], project["skip"]) == ("auto", ["*-cp314t", "*-cp315t"])


def test_init_names_the_pythons_of_an_older_version_of_cibuildwheel() -> None:
    step = "runs-on: ubuntu-latest\nsteps:\n  - uses: pypa/cibuildwheel@v3.4.1"
    initial = in_workflow(step, pyproject=PROJECT.replace("3.9", "3.13"))
    assert tomllib.loads(initial.text)["project"]["python"] == ["cp313", "cp314", "cp314t"]
