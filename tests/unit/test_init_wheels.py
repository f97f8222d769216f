"""Which wheels the first spec builds: those that cibuildwheel builds for Linux."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mpforge.errors import WrongInput
from mpforge.migrate.cibuildwheel.options import Options, Setting
from mpforge.migrate.cibuildwheel.selection import Invocation, select
from mpforge.migrate.cibuildwheel.versions import parse_version
from mpforge.migrate.initial_spec import read_cibuildwheel_table
from mpforge.platforms import well_known
from tests.unit.initial_specs import ALL, PROJECT, outcomes, spec_of, table, written

RECORDED = json.loads(Path(__file__).with_name("cibuildwheel_identifiers.json").read_text("utf-8"))


@pytest.mark.parametrize(
    "case", RECORDED["cases"], ids=lambda case: f"{case['version']} {case['options']}"
)
def test_the_identifiers_are_those_that_each_version_of_cibuildwheel_prints(
    case: dict[str, Any],
) -> None:
    variables = {name: Setting(name, text, "ci", 1) for name, text in case["variables"].items()}
    options = Options(read_cibuildwheel_table(table(case["options"]), "pyproject.toml"), variables)
    version = parse_version(case["version"])
    assert version is not None
    found: dict[str, set[str]] = {}
    for wheel in select(options, Invocation(version, ("x86_64",)), RECORDED["requires-python"]):
        found.setdefault(f"{wheel.libc}_{wheel.machine}", set()).add(wheel.python)
    assert found == {name: set(words.split()) for name, words in case["identifiers"].items()}


@pytest.mark.parametrize(
    ("requires", "pythons"),
    [
        (">=3.9", ALL),
        (">=3.14", ["cp314", "cp315", "cp314t", "cp315t"]),
        (">=3.11.4,<3.13", ["cp311", "cp312"]),
        ("!=3.12.*,>=3.11,<3.14", ["cp311", "cp313"]),
    ],
)
def test_requires_python_limits_the_pythons(requires: str, pythons: list[str]) -> None:
    initial = written(f'[project]\nname = "p"\nrequires-python = "{requires}"\n')
    assert list(initial.pythons) == pythons


DYNAMIC = '[project]\nname = "p"\ndynamic = ["requires-python"]\n'
SETUP_PY = (
    'from setuptools import setup\nLIMIT = ">=3.14"\nsetup(name="p", python_requires=LIMIT)\n'
)


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"setup.cfg": "[options]\npython_requires = >=3.14\n"}, "setup.cfg's python_requires"),
        ({"setup.py": SETUP_PY}, "setup.py's python_requires"),
        ({"setup.py": SETUP_PY.replace("LIMIT)", "'>=3.14')")}, "setup.py's python_requires"),
        ({"pkg_info": ">=3.14"}, "PKG-INFO's Requires-Python"),
    ],
)
@pytest.mark.parametrize("pyproject", [None, DYNAMIC])
def test_requires_python_is_found_where_setuptools_has_it(
    pyproject: str | None, files: dict[str, str], source: str
) -> None:
    own = {name: text for name, text in files.items() if name != "pkg_info"}
    initial = written(pyproject, own, exist=("setup.py",), pkg_info=files.get("pkg_info"))
    assert initial.pythons == ("cp314", "cp315", "cp314t", "cp315t")
    assert f"{source} is >=3.14" in initial.text


def test_a_setup_py_that_is_no_python_limits_nothing() -> None:
    assert list(written(None, {"setup.py": "setup(python_requires='>=3.14'\n"}).pythons) == ALL


def test_a_project_without_cibuildwheel_gets_what_cibuildwheel_builds_by_default() -> None:
    initial = written()
    assert initial.targets == ("x86_64", "aarch64", "x86_64_musl", "aarch64_musl")
    assert set(tomllib.loads(initial.text)) == {"schema", "project"}
    assert '# command = ["{python} -m pytest {posargs}"]' in initial.text


def test_build_and_skip_globs_choose_pythons() -> None:
    spec = spec_of('build = "cp311-* cp31{2,3}-*"\nskip = ["cp312-*", "*-musllinux_*"]')
    assert spec["project"]["python"] == ["cp311", "cp313"]
    assert spec["project"]["targets"] == ["x86_64", "aarch64"]


def test_a_skipped_pair_becomes_a_skip_of_ours() -> None:
    spec = spec_of('build = ["cp311-*", "cp313-*"]\nskip = "cp313-manylinux_aarch64"')
    assert spec["project"]["skip"] == ["aarch64-cp313"]


def test_free_threaded_pythons_that_are_skipped_are_not_built() -> None:
    spec = spec_of('skip = "cp31?t-*"\nbuild = "cp31[34]*"')
    assert spec["project"]["python"] == ["cp313", "cp314"]


def test_pypy_is_built_where_mpforge_has_it() -> None:
    initial = written(table('enable = ["pypy", "pypy-eol"]\nbuild = "pp* cp311-*"'))
    spec = tomllib.loads(initial.text)
    assert spec["project"]["python"] == ["cp311", "pp311"]
    assert spec["project"]["skip"] == ["x86_64_musl-pp311", "aarch64_musl-pp311"]
    assert set(initial.wheels.left_out.values()) == {"of PyPy, only pp311 is built"}


def test_a_target_that_is_not_built_yet_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = dataclasses.replace(well_known()["riscv64_musl"], support="not-yet")
    known = {**well_known(), "riscv64_musl": later}
    monkeypatch.setattr("mpforge.platforms.well_known", lambda: known)
    initial = written(table('archs = ["riscv64"]\nbuild = "cp311-*"'))
    assert initial.targets == ("riscv64",)
    assert list(initial.wheels.left_out.values()) == [
        "riscv64_musl is not a target of this version of mpforge"
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('archs = "arm64"', "leave no wheel"),
        ('archs = "arm64"\nbuild = "*"', "leave no wheel"),
    ],
)
def test_a_project_without_a_wheel_that_can_be_built_is_an_error(options: str, said: str) -> None:
    with pytest.raises(WrongInput, match=said):
        written(table(options))


def test_a_limited_api_wheel_of_an_older_python_is_built_by_the_oldest_there_is() -> None:
    initial = written(table('build = "cp38-*"\nenvironment = "A=1"'))
    assert initial.wheels.matrix == {"x86_64": ["cp39"], "aarch64": ["cp39"]}
    assert tomllib.loads(initial.text)["build"]["environment"]["A"] == "1"
    assert "the spec has cp39 instead" in initial.problems[0][1]


def test_a_bad_requires_python_is_an_error() -> None:
    with pytest.raises(
        WrongInput, match=r"setup\.cfg's python_requires = 'three' is not a version"
    ):
        written(DYNAMIC, {"setup.cfg": "[options]\npython_requires = three\n"})


@pytest.mark.parametrize("text", ["[project", "a = 1\na = 2\n"])
def test_a_pyproject_that_is_no_toml_is_an_error(text: str) -> None:
    with pytest.raises(WrongInput, match=r"pyproject\.toml:\d:\d+: toml-invalid"):
        written(text)


@pytest.mark.parametrize(
    "options",
    [
        "cibuildwheel = { linux = 3, overrides = 4 }",
        "cibuildwheel = { skip = [[1]], test-command = 2, environment = [3], test-requires = {} }",
    ],
)
def test_a_table_of_another_shape_is_no_traceback(options: str) -> None:
    assert len(written(f"{PROJECT}[tool]\n{options}\n").targets) == 4


def test_a_value_that_is_not_a_table_is_an_error() -> None:
    with pytest.raises(WrongInput, match=r"`cibuildwheel` in pyproject\.toml is not a table"):
        written(f"{PROJECT}[tool]\ncibuildwheel = 1\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("before-all = true", "before-all refused: expected a text or a list of texts, got True"),
        ("build = 5", "build refused: expected a text or a list of texts, got 5"),
        ('environment = ["A"]', "environment refused: expected a text or a table, got ['A']"),
        ('enable = ["pypi"]', "enable refused: cibuildwheel has no `pypi` for enable"),
        ('archs = "x86_64 aarch46"', "archs refused: cibuildwheel has no `aarch46` for archs"),
        ('bulid = "cp311-*"', "cibuildwheel has no such option; did you mean build?"),
    ],
)
def test_values_and_names_that_cibuildwheel_refuses_are_told(options: str, said: str) -> None:
    assert any(said in line for line in outcomes(written(table(options))))
