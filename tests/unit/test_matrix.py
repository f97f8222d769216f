"""What ``mpforge matrix`` prints and says: GitHub refuses an empty matrix, and one of more than 256 jobs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.cli.main import main

Matrix = Callable[..., tuple[int, str, str]]


@pytest.fixture
def matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Matrix:
    """Run the command for a spec; exit code, what it prints, what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')

    def call(spec: str, *words: str) -> tuple[int, str, str]:
        (tmp_path / "multiplatform.toml").write_text(f"schema = 1\n[project]\n{spec}")
        code = main(["matrix", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


NAMES = [f"t{number}" for number in range(130)]
# 130 targets that are one platform by other names, for two Pythons: 260 builds.
MANY = "".join(
    [
        f'python = ["cp311", "cp312"]\ntargets = {json.dumps(NAMES)}\n',
        *(f'[targets.{name}]\nplatform = "aarch64"\ndist = "{name}"\n' for name in NAMES),
    ]
)


def test_more_jobs_than_github_takes_are_an_error_that_says_what_gives_fewer(
    matrix: Matrix,
) -> None:
    code, out, err = matrix(MANY, "--format", "github", "--by", "session")
    assert (code, out) == (2, "")
    assert "260 build jobs, but a GitHub matrix has 256 at most" in err
    assert "use `mpforge matrix --by target`, which gives 130" in err
    code, out, err = matrix(MANY, "--by", "session")
    assert (code, len(json.loads(out)["jobs"])) == (0, 520)
    assert "--by target" in err
    code, out, err = matrix(MANY, "--format", "github")
    assert code == 0, err


def test_a_spec_of_which_nothing_can_run_is_an_error_that_says_why(matrix: Matrix) -> None:
    code, out, err = matrix('python = ["cp311"]\ntargets = ["windows_x86_64"]\n')
    assert (code, out) == (3, "")
    assert "the spec has no session that" in err
    assert "windows_x86_64" in err


def test_a_phase_without_jobs_is_warned_of_for_github(matrix: Matrix) -> None:
    commands = '[build]\nkind = "commands"\ncommands = ["true"]\noutputs = ["x"]\n'
    code, out, err = matrix(f'targets = ["x86_64"]\n{commands}', "--format", "github")
    rows = dict(line.split("=", 1) for line in out.splitlines())
    assert code == 0
    assert [len(json.loads(rows[phase])["include"]) for phase in ("build", "test")] == [1, 0]
    assert "there is no test job" in err
    assert "fromJSON(needs.JOB.outputs.test).include[0]" in err


def test_a_test_job_says_how_its_sessions_test(matrix: Matrix) -> None:
    static = '[[overrides]]\nselect = "*-cp313"\ntest = { strategy = "static" }\n'
    spec = f'python = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n{static}'
    code, out, _ = matrix(spec, "--by", "session")
    told = {job["name"]: (job["strategy"], job["test_levels"]) for job in json.loads(out)["jobs"]}
    assert code == 0
    assert told["build-aarch64-cp311"][1] == []
    assert told["test-aarch64-cp311"] == ("native", ["native"])  # GitHub has such machines
    assert told["test-aarch64-cp313"] == ("static", ["static"])
    _, out, _ = matrix(spec)
    (levels,) = [j["test_levels"] for j in json.loads(out)["jobs"] if j["name"] == "test-aarch64"]
    assert levels == ["native", "static"]
