"""A run's report as JUnit XML, as an HTML page and as a Markdown table, from the lines of report.jsonl."""

import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mpforge.cli.main import main
from mpforge.errors import NothingSelected
from mpforge.plan.session_end import SessionEnded
from mpforge.reports.junit import junit
from mpforge.reports.markdown import add_to_job_summary, markdown
from mpforge.reports.run_page import run_page
from mpforge.reports.run_report import RunReport, read
from mpforge.workspace import Workspace, open_workspace

ODD = '</pre><script>alert("1")</script> \x1b[31mred\x1b[0m \x00 ]]> & | `x`'
"""A text that is markup in one form or another."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "multiplatform.toml").write_text("schema = 1\n")
    made = open_workspace(tmp_path / "multiplatform.toml", {"MPFORGE_CACHE": str(tmp_path / "c")})
    made.logs("build-a").parent.mkdir(parents=True)
    return made


def _write(workspace: Workspace, *events: dict[str, object], run: str = "1") -> None:
    """Add events to the report, a second apart."""
    with (workspace.state / "report.jsonl").open("a") as file:
        for second, event in enumerate(events):
            time = f"2026-11-30T10:00:{second:02}.000+00:00"
            file.write(json.dumps({"schema": 1, "run": run, "time": time, **event}) + "\n")


def _started(session: str) -> dict[str, object]:
    return {"event": "SessionStarted", "session": session}


def _ended(
    session: str, status: str, reason: str, code: int = 0, **more: object
) -> dict[str, object]:
    fields = {"phase": session.partition("-")[0], "status": status, "reason": reason}
    rest = {"exit_code": code, "error": None, "group": False, "import_only": False, "level": None}
    return {"event": "SessionEnded", "session": session, **fields, **rest, **more}


@pytest.fixture
def report(workspace: Workspace) -> RunReport:
    """A run with every kind of end, and a run before it."""
    (workspace.dist).mkdir()
    (workspace.dist / "a.whl").write_bytes(b"x" * 5000)
    digest = hashlib.sha256(b"x" * 5000).hexdigest()
    step = {"session": "build-a", "step": "wheel-a"}
    _write(workspace, _ended("build-old", "failed", "of another run", 1), run="0")
    _write(
        workspace,
        _started("build-a"),
        {"event": "StepHit", "session": "build-a", "step": "env-a", "key": "ab" * 32},
        {"event": "StepStarted", **step, "title": "the wheel", "log": "", "why": ODD},
        {
            "event": "StepEnded",
            **step,
            "key": "k",
            "seconds": 1.5,
            "cpu_seconds": 0.5,
            "failed": False,
        },
        {
            "event": "Published",
            "session": "build-a",
            "path": "dist/a.whl",
            "digest": digest,
            "fresh": True,
        },
        {"event": "Warned", "session": "build-a", "message": ODD},
        _ended("build-a", "done", "built: 123"),
        {
            "event": "Published",
            "session": "build-a",
            "path": "dist/b.whl",
            "digest": "0",
            "fresh": True,
        },
        _started("test-a"),
        {
            "event": "Tested",
            "session": "test-a",
            "wheel": "a.whl",
            "machine": "aarch64",
            "cpu": "cortex-a53",
            "import_only": False,
            "level": "emulated",
        },
        _ended("test-a", "cached", "cached: passed"),
        _started("test-b"),
        _ended("test-b", "failed", ODD, 1, error="tests-failed"),
        _started("test-c"),
        _ended("test-c", "failed", "no emulator", 4, error="no-emulator"),
        _ended("test-d", "not-run", "not run: excluded"),
        _ended("test-e", "checked", "checked only"),
        _ended("test", "failed", "a group", group=True),
        _started("build-killed"),
    )
    workspace.logs("test-b").write_text(ODD)
    return read(workspace)


def test_a_report_has_the_last_run_s_sessions_with_times_steps_and_files(report: RunReport) -> None:
    sessions = {session.name: session for session in report.sessions}
    assert list(sessions)[:2] == ["build-a", "test-a"]
    build = sessions["build-a"]
    assert build.seconds == 6.0
    assert [(w.what, w.seconds, w.cpu_seconds, w.failed) for w in build.work] == [
        ("the wheel", 1.5, 0.5, False)
    ]
    assert build.hits == {"env-a": "ab" * 32}
    assert [(file.path, file.size) for file in build.files] == [
        ("dist/a.whl", 5000),
        ("dist/b.whl", None),  # it is gone, or has other bytes
    ]
    assert sessions["test-a"].tested == ["a.whl: tested on aarch64 (cortex-a53), emulated"]
    assert sessions["build-killed"].status == "unfinished"


def test_junit_has_a_case_for_each_session_and_is_whole_whatever_a_log_has(
    report: RunReport,
) -> None:
    root = ET.fromstring(junit(report))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "1",
        "errors": "2",  # the host can't, and the run was killed
        "skipped": "2",
    }
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert "test" not in cases
    failure = cases["test-b"].find("failure")
    assert failure is not None
    assert failure.get("type") == "tests-failed"
    assert '</pre><script>alert("1")</script> red' in (cases["test-b"].findtext("system-out") or "")
    assert cases["build-a"].get("time") == "6.000"
    error = cases["test-c"].find("error")
    assert error is not None
    assert error.get("type") == "no-emulator"


class _Page(HTMLParser):
    """What a browser sees: the tags that are open, and what would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_runs_no_script_and_needs_no_other_file(report: RunReport) -> None:
    page = _Page()
    page.feed(run_page(report))
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.addresses
    assert all(address.startswith("#") for address in page.addresses)
    assert page.text.count('</pre><script>alert("1")</script> red') >= 3  # why, warning, log
    for words in (
        "1 tested",
        "the wheel",
        "cached: passed",
        "dist/a.whl",
        "no emulator",
        "emulated",
    ):
        assert words in page.text


def test_markdown_keeps_each_session_in_its_row(report: RunReport) -> None:
    lines = markdown(report.outcomes, title="x").splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 7  # with the head
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)
    assert "<script" not in "".join(lines).replace("\\<", "")


def test_a_job_s_summary_gets_the_table(tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    place.write_text("before\n")
    ended = (SessionEnded("build-a", "build", "done", "built"),)
    add_to_job_summary(ended, "x.toml", {"GITHUB_STEP_SUMMARY": str(place)})
    assert place.read_text().startswith("before\n### mpforge: x.toml\n")
    assert "| build-a | done | built |" in place.read_text()
    add_to_job_summary(ended, "x.toml", {})
    add_to_job_summary(ended, "x.toml", {"GITHUB_STEP_SUMMARY": str(tmp_path)})


@pytest.mark.usefixtures("report")
def test_runs_are_chosen_by_id_or_taken_together(workspace: Workspace) -> None:
    assert [session.name for session in read(workspace, run="0").sessions] == ["build-old"]
    both = [session.name for session in read(workspace, every=True).sessions]
    assert {"build-old", "build-a"} < set(both)
    with pytest.raises(NothingSelected, match="this checkout has no run 7"):
        read(workspace, run="7")


def test_a_report_with_lines_of_another_form_shows_the_others(workspace: Workspace) -> None:
    _write(workspace, {"event": "StepEnded"}, {"event": 1, "session": "a"}, {"session": "b"})
    _write(workspace, _ended("build-a", "done", "built"), {"event": "Tested", "session": "build-a"})
    with (workspace.state / "report.jsonl").open("a") as file:
        file.write('[]\n{"run": "1", "ti')
    report = read(workspace)
    assert "built" in run_page(report)
    assert "built" in junit(report)


def test_the_command_writes_the_files_it_is_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("MPFORGE_CACHE", str(workspace.cache))
    assert main(["report"]) == 3
    assert "this checkout has no recorded runs" in capsys.readouterr().err
    _write(workspace, _ended("build-a", "done", "built"))
    assert main(["report", "--junit", "out/a.xml", "--html", "out/a.html"]) == 0
    assert ET.parse(workspace.root / "out" / "a.xml").getroot().get("tests") == "1"
    assert (workspace.root / "out" / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["report"]) == 0
    assert "| build-a | done | built |" in capsys.readouterr().out


def test_a_report_that_is_written_among_the_sources_is_warned_of(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("MPFORGE_CACHE", str(workspace.cache))
    _write(workspace, _ended("build-a", "done", "built"))
    workspace.spec.write_text("schema = 1\n", encoding="utf-8")
    for place, warned in (("run.html", True), (".mpforge/run.html", False)):
        assert main(["report", "--html", place]) == 0
        assert ("is now a file of the source" in capsys.readouterr().err) is warned
