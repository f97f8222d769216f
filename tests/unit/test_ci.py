"""What ``mpforge ci`` writes for each service, and what it says of files that it would not write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpforge.ci.services import SERVICES
from mpforge.cli.main import main

Ci = Callable[..., tuple[int, str, str]]

GITHUB = ".github/workflows/wheels.yml"
GITLAB = ".gitlab-ci.yml"
SPEC = """\
schema = 1

[project]
python = ["cp310", "cp313", "cp313t", "pp311"]
targets = ["x86_64", "aarch64", "s390x"]
"""


@pytest.fixture
def ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ci:
    """Run the command; its exit code, what it prints, what it says. The spec is a word of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    Path("pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    Path("multiplatform.toml").write_text(SPEC)
    Path("multiplatform.lock").write_text("schema = 1\n")

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["ci", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def jobs(path: str = GITHUB) -> Any:
    """Return the jobs of a workflow."""
    return yaml.safe_load(Path(path).read_text())["jobs"]


def rows(job: str) -> dict[str, Any]:
    """Return the rows of a job's matrix by name."""
    return {row["name"]: row for row in jobs()[job]["strategy"]["matrix"]["include"]}


def test_github_has_a_build_and_a_test_job_for_each_target_on_its_own_machine(ci: Ci) -> None:
    assert ci("github")[0] == 0
    builds, tests = rows("build"), rows("test")
    assert set(builds) == {"build-x86_64", "build-aarch64", "build-s390x"}
    assert {row["runner"] for row in builds.values()} == {"ubuntu-24.04"}
    assert {name: row["runner"] for name, row in tests.items()} == {
        "test-x86_64": "ubuntu-24.04",
        "test-aarch64": "ubuntu-24.04-arm",
        "test-s390x": "ubuntu-24.04",
    }
    assert tests["test-s390x"]["sessions"] == "--strict test-s390x"


def test_a_job_gets_a_python_for_each_of_its_sessions_and_mpforge_runs_on_the_last(ci: Ci) -> None:
    ci("github")
    assert rows("build")["build-x86_64"]["python"].split() == ["3.10", "3.11", "3.13t", "3.13"]


def test_every_job_that_is_needed_exists(ci: Ci) -> None:
    ci("github")
    found = jobs()
    needed = [job.get("needs", []) for job in found.values()]
    names = {name for one in needed for name in ([one] if isinstance(one, str) else one)}
    assert names == {"plan", "build", "test"}
    assert names < set(found)


def test_only_jobs_that_must_write_may_write_and_nothing_of_a_fork_is_saved(ci: Ci) -> None:
    ci("github")
    found = jobs()
    writing = {
        n: job["permissions"] for n, job in found.items() if "write" in str(job["permissions"])
    }
    assert writing == {"release": {"contents": "read", "id-token": "write"}}
    saves = [s for job in found.values() for s in job["steps"] if "cache/save" in s.get("uses", "")]
    assert len(saves) == 2
    assert all("github.event_name == 'push'" in step["if"] for step in saves)
    assert all("default_branch" in step["if"] for step in saves)


def test_every_action_is_pinned_by_a_commit(ci: Ci) -> None:
    ci("github")
    uses = {step["uses"] for job in jobs().values() for step in job["steps"] if "uses" in step}
    assert len(uses) == 6
    assert all(len(one.partition("@")[2]) == 40 for one in uses)


OTHERS = """\
schema = 1
[project]
python = ["cp311", "cp313t", "cp314t", "pp311"]
targets = ["x86_64", "windows_x86_64", "macos_arm64"]
skip = ["macos_arm64-cp314t"]
[build]
before-build = ["echo {project} {arch}"]
environment = { A = "x y", B = "{policy}" }
libraries = ["zlib"]
[test]
requires = ["pytest >= 8; python_version > '3'"]
sources = ["tests", "missing", "data/*.txt"]
command = ["{python} -m pytest {project}/tests {posargs}"]
[targets.macos_arm64.test]
command = "import"
[[overrides]]
select = "windows*-pp311"
build = { environment = { A = "z" } }
"""


def test_windows_and_macos_become_jobs_of_cibuildwheel_with_the_same_options(ci: Ci) -> None:
    Path("multiplatform.toml").write_text(OTHERS)
    Path("tests").mkdir()
    code, _, said = ci("github")
    assert code == 0, said
    found = rows("cibuildwheel")
    assert found["windows_x86_64-cp311"] == {
        "name": "windows_x86_64-cp311",
        "runner": "windows-2025",
        "CIBW_BUILD": "cp311-win_amd64 cp314t-win_amd64",
        "CIBW_ARCHS": "AMD64",
        "CIBW_BUILD_FRONTEND": "build",
        "CIBW_BEFORE_BUILD": "echo {project} AMD64",
        "CIBW_ENVIRONMENT": "A='x y'",
        "CIBW_TEST_COMMAND": "python -m pytest ./tests",
        "CIBW_TEST_REQUIRES": "pytest>=8;python_version>'3'",
        "CIBW_TEST_SOURCES": "tests",
    }
    assert found["windows_x86_64-pp311"]["CIBW_ENVIRONMENT"] == "A=z"
    assert found["windows_x86_64-pp311"]["CIBW_ENABLE"] == "pypy"
    macos = found["macos_arm64"]
    assert macos["CIBW_BUILD"] == "cp311-macosx_arm64 pp311-macosx_arm64"
    assert "for f in m.files('x') if f.suffix in ('.so', '.pyd')" in macos["CIBW_TEST_COMMAND"]
    assert jobs()["release"]["needs"] == ["build", "test", "cibuildwheel"]
    assert "uv publish" in jobs()["release"]["steps"][-1]["run"]
    for left_out in (
        "windows_x86_64-cp313t: cibuildwheel does not build for this Python",
        "windows_x86_64: build.environment.B uses {policy}, which cibuildwheel does not support: left out",
        "windows_x86_64: build.libraries applies only to mpforge's own builds",
        "windows_x86_64: test.sources: data/*.txt is a glob, but cibuildwheel accepts only paths",
    ):
        assert f"not in cibuildwheel's jobs: {left_out}\n" in said
    assert (
        "macos_arm64: its job is only in GitHub's file, by `mpforge ci github`" in ci("gitlab")[2]
    )


def test_a_static_test_is_not_strict_and_a_spec_without_tests_has_no_test_job(ci: Ci) -> None:
    Path("multiplatform.toml").write_text(f'{SPEC}[test]\nstrategy = "static"\n')
    assert ci("github")[0] == 0
    assert rows("test")["test-aarch64"]["sessions"] == "test-aarch64"
    release = "mpforge release --from .mpforge/incoming/* --allow-untested"
    assert jobs()["release"]["steps"][-1]["run"].splitlines()[-1] == release
    Path("multiplatform.toml").write_text(f'{SPEC}[test]\nstrategy = "skip"\n')
    code, _, said = ci("github")
    assert code == 0
    assert "no CI job can run tests of this spec: wheels are released untested" in said
    assert set(jobs()) == {"plan", "build", "release"}
    assert jobs()["release"]["needs"] == ["build"]


@pytest.mark.parametrize("spec", [SPEC, SPEC.replace('"aarch64"', '"windows_x86_64"')])
def test_files_for_pypi_are_attested_before_their_upload_and_others_are_not(
    ci: Ci, spec: str
) -> None:
    """An attestation is public, so that a private index's files get none."""
    Path("multiplatform.toml").write_text(spec)
    ci("github")
    lines = jobs()["release"]["steps"][-1]["run"].splitlines()
    *before, sign, publish = lines
    assert "pypi-attestations==" in before[-1]
    assert sign.startswith("find dist -maxdepth 1 ")
    assert sign.endswith(" -exec pypi-attestations sign {} +")
    assert publish.startswith("uv publish" if "windows" in spec else "mpforge release --from")
    assert before[0].startswith(
        "mkdir" if "windows" in spec else "mpforge release --dry-run --from"
    )
    ci("gitlab")
    gitlab = yaml.safe_load(Path(GITLAB).read_text())["release"]
    assert "pypi-attestations sign" in gitlab["script"][0]
    assert gitlab["id_tokens"]["SIGSTORE_ID_TOKEN"] == {"aud": "sigstore"}
    private = (
        '[release]\nindex = "https://index.example/"\ncheck-url = "https://index.example/simple/"\n'
    )
    Path("multiplatform.toml").write_text(spec + private)
    ci("github")
    assert "attest" not in jobs()["release"]["steps"][-1]["run"]


def test_only_wheels_are_released(ci: Ci) -> None:
    commands = '[build]\nkind = "commands"\ncommands = ["true"]\noutputs = ["x"]\n'
    Path("multiplatform.toml").write_text(
        f'schema = 1\n[project]\ntargets = ["x86_64"]\n{commands}'
    )
    assert ci("github")[0] == 0
    assert set(jobs()) == {"plan", "build"}


def test_sessions_that_cannot_run_are_left_out_of_a_job(ci: Ci) -> None:
    Path("multiplatform.toml").write_text(SPEC.replace('"cp310"', '"cp310", "pp310"'))
    ci("github")
    assert rows("build")["build-aarch64"]["sessions"].split() == [
        *(f"build-aarch64-{word}" for word in ("cp310", "cp313", "cp313t", "pp311")),
    ]


def test_a_second_spec_has_a_file_of_its_own_and_its_commands_name_it(ci: Ci) -> None:
    Path("multiplatform.toml").rename("agent.toml")
    assert ci("github", "--spec", "agent.toml")[0] == 0
    text = Path(".github/workflows/wheels-agent.yml").read_text()
    assert "name: wheels of agent\n" in text
    assert "mpforge run --spec agent.toml $SESSIONS" in text
    assert ci("--spec", "agent.toml", "--check")[0] == 0


def test_check_names_the_first_line_that_is_out_of_date_and_writing_mends_it(ci: Ci) -> None:
    ci("github")
    ci("gitlab")
    assert ci("--check") == (0, f"{GITHUB} is up to date\n{GITLAB} is up to date\n", "")
    Path("multiplatform.toml").write_text(SPEC.replace(', "s390x"', ""))
    before = Path(GITHUB).read_text()
    code, out, said = ci("github", "--check")
    assert (code, out) == (1, "")
    line = next(n for n, text in enumerate(before.splitlines(), 1) if "build-s390x" in text)
    assert said.startswith(f"{GITHUB}:{line}:1: ci-file-outdated: ")
    assert said.endswith("  -> `mpforge ci github`\n")
    assert Path(GITHUB).read_text() == before
    ci("github")
    assert ci("github", "--check")[0] == 0
    assert ci("github") == (0, f"{GITHUB} is up to date\n", "")


def test_an_edited_file_is_refused_by_both_and_stays(ci: Ci) -> None:
    ci("github")
    text = Path(GITHUB).read_text().replace("mpforge check", "mpforge doctor")
    Path(GITHUB).write_text(text)
    for words in (["github"], ["--check"]):
        code, _, said = ci(*words)
        assert code == 2
        assert "ci-file-edited: mpforge's part of the file was edited by hand" in said
    assert Path(GITHUB).read_text() == text
    assert ci("github", "--force")[0] == 0
    assert "mpforge doctor" not in Path(GITHUB).read_text()


def test_a_file_that_is_not_mpforges_is_refused_and_stays(ci: Ci) -> None:
    Path(GITHUB).parent.mkdir(parents=True)
    Path(GITHUB).write_text("on: push\n")
    for words in (["github"], ["github", "--force"], ["github", "--check"]):
        code, _, said = ci(*words)
        assert code == 2
        assert f"ci-file-foreign: mpforge did not write {GITHUB}" in said
    assert Path(GITHUB).read_text() == "on: push\n"
    assert ci("--check")[0] == 3


def test_an_unknown_service_is_an_error_with_the_nearest_name(ci: Ci) -> None:
    assert "did you mean github?" in ci("githib")[2]
    assert f"services: {' '.join(SERVICES)}" in ci("drone")[2]
    code, _, said = ci()
    assert code == 2
    assert "which CI service?" in said


def test_a_spec_below_the_top_has_a_file_there_whose_jobs_work_in_its_directory(
    ci: Ci, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpforge.sources.git.top_level", lambda _root: tmp_path)
    monkeypatch.setattr("mpforge.sources.git.listing", lambda _root: None)
    (tmp_path / "packages" / "a").mkdir(parents=True)
    for name in ("pyproject.toml", "multiplatform.toml"):
        (tmp_path / name).rename(tmp_path / "packages" / "a" / name)
    monkeypatch.chdir(tmp_path / "packages" / "a")
    assert ci("github")[0] == 0
    assert ci("gitlab")[0] == 0
    assert ci("--check")[0] == 0
    workflow = yaml.safe_load(
        (tmp_path / ".github/workflows/wheels-packages-a.yml")
        .read_text()
        .replace("on:", "when:", 1)
    )
    assert workflow["defaults"] == {"run": {"working-directory": "packages/a"}}
    paths = ["packages/a/**", ".github/workflows/wheels-packages-a.yml"]
    assert workflow["when"]["pull_request"] == {"paths": paths}
    assert workflow["when"]["push"]["tags"] == ["packages-a-v*"]
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    kept = [step["with"]["path"] for step in steps if "artifact@" in step.get("uses", "")]
    assert all(line.startswith("packages/a/") for path in kept for line in path.splitlines())
    keys = {step["with"]["key"] for step in steps if "cache/" in step.get("uses", "")}
    assert all(key.startswith("mpforge-packages-a-$") for key in keys)
    gitlab = yaml.safe_load((tmp_path / ".gitlab-ci-packages-a.yml").read_text())
    assert gitlab[".mpforge"]["before_script"][1] == "cd packages/a"
    run = gitlab[".mpforge-run"]
    assert run["cache"]["key"] == "mpforge-packages-a-$CI_JOB_NAME"
    assert all(path.startswith("packages/a/") for path in run["artifacts"]["paths"])
    assert "$CI_COMMIT_TAG =~ /^packages-a-/ &&" in gitlab["release"]["rules"][0]["if"]
    code, _, said = ci("azure")
    assert code == 2
    assert f"the file for azure needs a spec at the top of its repository, {tmp_path}" in said


def test_a_missing_lock_is_warned_of(ci: Ci) -> None:
    Path("multiplatform.lock").unlink()
    assert "there is no multiplatform.lock, and CI adds no pins" in ci("github")[2]
