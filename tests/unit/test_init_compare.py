"""`mpforge init --compare`: an installed cibuildwheel's identifiers beside the spec."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mpforge.cli.init_compare import command, compared, wheel_of
from mpforge.errors import HostCannot
from mpforge.migrate.initial_spec import InitialSpec
from mpforge.processes import Captured
from tests.unit.initial_specs import in_workflow, table, written

HERE = Path("/p")


def lines(initial: InitialSpec, printed: str, code: int = 0) -> list[str]:
    def call(argv: Sequence[str], variables: Mapping[str, str]) -> Captured:
        assert argv[0] == "cibuildwheel"
        assert all(name.startswith("CIBW_") for name in variables)
        return Captured(code, printed, "Traceback\nbad archs\n" if code else "")

    return list(compared(initial, HERE, call))


def test_equal_sets_are_one_line() -> None:
    initial = written(table('build = "cp311-many*"\narchs = "x86_64"'))
    assert lines(initial, "cp311-manylinux_x86_64\n") == [
        "cibuildwheel --print-build-identifiers: 1 for Linux, 1 of them in the spec"
    ]


def test_every_difference_is_a_line_with_its_reason() -> None:
    initial = written(table('build = "cp311-many* pp310*"\nenable = "pypy-eol"\narchs = "x86_64"'))
    printed = "cp312-manylinux_x86_64\npp312-manylinux_x86_64\n"
    assert lines(initial, printed)[1:] == [
        (
            "  only cibuildwheel: cp312-manylinux_x86_64: the installed cibuildwheel is another version, "
            "or some options are known only in the job"
        ),
        "  only cibuildwheel: pp312-manylinux_x86_64: of PyPy, only pp311 is built",
        "  only the spec: x86_64-cp311",
    ]


def test_a_python_that_the_pinned_version_does_not_build_is_named_with_both_versions() -> None:
    step = "runs-on: ubuntu-24.04\nsteps:\n  - uses: pypa/cibuildwheel@v3.4.1"
    (line,) = (
        line for line in lines(in_workflow(step), "cp315-manylinux_x86_64\n") if "cp315-" in line
    )
    assert line == (
        "  only cibuildwheel: cp315-manylinux_x86_64: "
        "built by default since cibuildwheel 4.2.0; the CI files use 3.4.1"
    )


def test_jobs_of_a_matrix_that_are_refused_alike_are_one_line() -> None:
    step = (
        "runs-on: ubuntu-24.04\nstrategy: {matrix: {arch: [x86_64, i686]}}\nsteps:\n"
        "  - uses: pypa/cibuildwheel@v4.2.0\n    with: {archs: '${{ matrix.arch }}'}"
    )
    refused = [line for line in lines(in_workflow(step), "", 2) if "refuses" in line]
    (line,) = refused
    assert line.endswith("cibuildwheel refuses these options (this job uses 4.2.0): bad archs")


def test_an_identifier_needs_no_platform() -> None:
    uses = "{uses: pypa/cibuildwheel@v4.2.0, with: {only: cp311-manylinux_x86_64}}"
    step = f"runs-on: ubuntu-24.04\nsteps: [{uses}]"
    ((run, machines),) = in_workflow(step).wheels.runs
    argv, _ = command(run, machines, HERE)
    assert argv[1:] == ["--print-build-identifiers", "--only", "cp311-manylinux_x86_64", "/p"]


def test_options_that_cibuildwheel_refuses_are_told_and_their_wheels_not_compared() -> None:
    refused, count, rest = lines(written(table('build = "cp311-many*"')), "", 2)
    assert refused == "cibuildwheel: cibuildwheel refuses these options: bad archs"
    assert count.endswith("0 for Linux, 0 of them in the spec")
    assert rest == "  not compared: 2 of the spec, which a refused job may build"


def test_cibuildwheel_sees_what_the_run_sees() -> None:
    step = (
        "runs-on: ubuntu-24.04-arm\nsteps:\n  - uses: pypa/cibuildwheel@v4.2.0\n    env:\n"
        "      CIBW_BUILD: cp311-*\n    with: {config-file: x.toml}"
    )
    ((run, machines),) = in_workflow(step).wheels.runs
    argv, variables = command(run, machines, HERE)
    assert " ".join(argv[1:]) == (
        "--print-build-identifiers --platform linux --archs aarch64 --config-file x.toml /p"
    )
    assert variables == {"CIBW_BUILD": "cp311-*"}


def test_without_cibuildwheel_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HostCannot, match="cibuildwheel is not on PATH"):
        list(compared(written(), HERE))


@pytest.mark.parametrize("text", ["cp311-macosx_arm64", "cp311", "", "cp311-manylinux"])
def test_identifiers_of_other_platforms_are_left_out(text: str) -> None:
    assert wheel_of(text) is None
