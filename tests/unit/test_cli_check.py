"""What `mpforge check` finds beside the spec itself: in its lock and in the project's files."""

from pathlib import Path

import pytest

from mpforge.cli.main import main

SPEC = """\
schema = 1
[project]
python = ["cp311"]
targets = ["x86_64"]
[test]
command = "pytest"
sources = ["test", ".", "./tests"]
[targets.x86_64]
test = { sources = ["spec/**"] }
"""


@pytest.fixture(name="project")
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_a.py").touch()
    (project / "pyproject.toml").touch()
    (project / "multiplatform.toml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(project)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    return project


@pytest.mark.usefixtures("project")
def test_test_sources_that_match_nothing_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("multiplatform.toml:7:12: warning: nothing-matches: `test.sources`: ")
    assert first.endswith('"test" matches no file of the project (did you mean tests?)')
    assert second.startswith("multiplatform.toml:9:21: warning: nothing-matches: ")
    assert '`targets.x86_64.test.sources`: "spec/**" matches no file' in second
    assert last == "multiplatform.toml: no errors"


def test_a_lock_that_can_t_be_read_is_an_error_at_its_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "multiplatform.lock").write_text("schema = 1\n\n[[environments]]\npurpose = 3\n")
    assert main(["check"]) == 2
    assert "multiplatform.lock:3:1: lock-invalid: an entry of " in capsys.readouterr().out


def test_a_source_that_is_not_there_is_an_error_at_its_key(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SPEC.replace("[project]", '[project]\nsource = "nowhere"')
    (project / "multiplatform.toml").write_text(text, encoding="utf-8")
    assert main(["check"]) == 2
    told = capsys.readouterr().out
    assert told.startswith("multiplatform.toml:3:1: source-missing: project.source = 'nowhere'")


def test_a_source_without_a_python_project_is_an_error(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").unlink()
    assert main(["check"]) == 2
    told = capsys.readouterr().out
    assert "source-missing" in told
    assert "has neither pyproject.toml nor setup.py" in told
    text = SPEC.partition("[test]")[0] + '[build]\nkind = "make"\noutputs = ["a"]\n'
    (project / "multiplatform.toml").write_text(text, encoding="utf-8")
    assert main(["check"]) == 0, capsys.readouterr().out


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_a_number_of_parallel_sessions_below_one_is_refused(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "-j", number, "build"])
    assert f"expected a number of 1 or more, got '{number}'" in capsys.readouterr().err
