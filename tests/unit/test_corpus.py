"""benchmarks/corpus.toml is the corpus that was promised, and docs/corpus.md tells what came of it."""

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mpforge.spec.load import load_spec

ROOT = Path(__file__).parents[2]
CORPUS = runpy.run_path(str(ROOT / "benchmarks" / "_corpus.py"))
PACKAGES = CORPUS["load_packages"](CORPUS["PACKAGES"].read_text(encoding="utf-8"))
ROWS = CORPUS["load_rows"](CORPUS["RESULTS"].read_text(encoding="utf-8"))
NAMED = {package.name: package for package in PACKAGES}


def _id(package: Any) -> str:
    return str(package.name)


def test_forty_packages_with_compiled_code_are_of_the_thousand_most_downloaded() -> None:
    assert len(NAMED) == len(PACKAGES)
    assert sum(package.compiled and not package.beyond for package in PACKAGES) >= 40


@pytest.mark.parametrize(
    "backend",
    [
        *("setuptools", "in-tree wrapper", "CMake", "scikit-build-core", "meson-python"),
        *("maturin", "setuptools-rust"),
        *("hatchling, build hook", "poetry-core, build script", "flit"),
    ],
)
def test_every_backend_that_is_to_be_crossed_is_there(backend: str) -> None:
    assert any(backend in package.backend for package in PACKAGES)


@pytest.mark.parametrize(
    "language",
    ["C", "C++", "Cython", "cffi", "pybind11", "nanobind", "mypyc", "Rust", "Fortran", "Python"],
)
def test_every_way_to_write_an_extension_is_there(language: str) -> None:
    assert any(language in package.languages for package in PACKAGES)


@pytest.mark.parametrize("package", PACKAGES, ids=_id)
def test_a_package_has_a_valid_spec_that_adds_only_what_it_gives_a_reason_for(package: Any) -> None:
    compile(package.check, package.name, "exec")
    text = CORPUS["spec"](package, "aarch64", "cp311", check=True)
    spec = load_spec(text, file="multiplatform.toml")
    assert spec.project.targets == ("aarch64",)
    assert bool(package.spec) == bool(package.spec_why)


def test_a_package_has_one_row_for_a_target_and_a_python() -> None:
    assert len({row.place for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.place))
def test_a_row_is_of_the_listed_version_and_a_failure_has_its_cause(row: Any) -> None:
    package = NAMED[row.package]
    assert row.version == package.version
    if row.result != "built":
        assert package.cause
        assert package.fault


@pytest.mark.parametrize("package", [p for p in PACKAGES if p.cause], ids=_id)
def test_a_cause_is_told_only_of_what_fails(package: Any) -> None:
    assert any(row.result != "built" for row in ROWS if row.package == package.name)


def test_the_page_is_made_from_the_results() -> None:
    old = CORPUS["PAGE"].read_text(encoding="utf-8")
    assert CORPUS["page"](PACKAGES, ROWS, old) == old


def test_a_reason_names_no_directory_of_a_machine() -> None:
    step = "/home/user/.cache/mpforge/store/work/1795873795-20319-_k3nbga6/918"
    words = f"{step}/src/a.c:1:2: error: no; package (in '{step}/src/rust')"
    told = "STEP/src/a.c:1:2: error: no; package (in 'STEP/src/rust')"
    assert CORPUS["anywhere"](words) == told
    assert not any("/store/work/" in row.reason for row in ROWS)


def test_the_page_of_targets_is_made_from_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    targets = runpy.run_path(str(ROOT / "benchmarks" / "_targets.py"))
    rows = targets["load_rows"](targets["RESULTS"].read_text(encoding="utf-8"))
    old = targets["PAGE"].read_text(encoding="utf-8")
    assert targets["page"](rows, old) == old
    assert {row.package.split()[0] for row in rows} <= {
        package["name"].split("==")[0]
        for package in tomllib.loads(targets["PACKAGES"].read_text(encoding="utf-8"))["package"]
    }
