"""The report of a run: written as things happen, and what its sessions came to."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from mpforge.errors import Place, WrongInput, headline
from mpforge.plan.events import Chosen, Published
from mpforge.plan.index import IndexedSession
from mpforge.plan.session_end import SessionEnded, Status
from mpforge.reports.front import group_end
from mpforge.reports.journal import Journal, begin, last_words, summary


def _end(
    name: str, status: Status = "done", reason: str = "built", *, import_only: bool = False
) -> SessionEnded:
    return SessionEnded(name, name.partition("-")[0], status, reason, import_only=import_only)


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "report.jsonl", "run-1")


# --- the report -------------------------------------------------------------------------------


def test_an_event_is_a_line_of_json_with_its_run_and_time(journal: Journal) -> None:
    journal.write(Published("build", "dist/a.whl", "d", True))
    journal.write(_end("build"))
    first, second = map(json.loads, journal.path.read_text().splitlines())
    assert (first["schema"], first["run"], first["event"]) == (1, "run-1", "Published")
    assert (first["path"], first["fresh"]) == ("dist/a.whl", True)
    assert first["time"].endswith("+00:00")
    assert (second["event"], second["status"]) == ("SessionEnded", "done")


def test_a_run_s_outcomes_are_its_own_and_each_session_s_last_word(journal: Journal) -> None:
    Journal(journal.path, "run-0").write(_end("build-a", "failed"))
    journal.write(_end("build-a", "failed"))
    journal.write(_end("build-b"))
    journal.write(Published("build-b", "dist/a.whl", "d", True))
    journal.write(_end("build-a"))
    assert journal.outcomes() == (_end("build-b"), _end("build-a"))


def test_a_line_that_was_cut_off_is_passed_over(journal: Journal) -> None:
    journal.write(_end("build-a"))
    with journal.path.open("a") as file:
        file.write('{"schema": 1, "run": "run-1", "event": "SessionEn\n')
    journal.write(_end("build-b"))
    assert [ended.session for ended in journal.outcomes()] == ["build-a", "build-b"]


def test_there_are_no_outcomes_where_there_is_no_report(journal: Journal) -> None:
    assert journal.outcomes() == ()


def test_a_report_that_can_t_be_written_is_kept_in_mind_by_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "report.jsonl", "run-nowhere")
    journal.write(_end("build"))
    begin(tmp_path / "file")
    assert [ended.session for ended in journal.outcomes()] == ["build"]


def test_a_report_that_has_grown_large_is_set_aside_and_not_lost(journal: Journal) -> None:
    journal.write(_end("build"))
    begin(journal.path.parent)
    assert journal.path.exists()
    with journal.path.open("a") as file:
        file.write("x" * 4_000_001)
    begin(journal.path.parent)
    assert not journal.path.exists()
    assert journal.path.with_name("report.1.jsonl").exists()


def test_how_a_target_is_built_is_news_once_a_run(journal: Journal) -> None:
    chosen = Chosen("deps-aarch64", "aarch64", "cross", "zig", "why", 1)
    assert journal.is_news(chosen)
    journal.write(chosen)
    assert not journal.is_news(chosen)
    assert Journal(journal.path, "run-2").is_news(chosen)


# --- the sum ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], "0 built, 0 tested, 0 import-only, 0 not run"),
        (
            [
                _end("build-a"),
                _end("build-b", "cached"),
                _end("test-a"),
                _end("test-b", "cached", import_only=True),
                _end("test-c", "not-run"),
                _end("sdist"),
                _end("deps-a"),
            ],
            "2 built (1 cached), 1 tested, 1 import-only (1 cached), 1 not run",
        ),
        (
            [
                SessionEnded("test-a", "test", "done", "passed", level="native"),
                SessionEnded("test-b", "test", "cached", "cached", level="emulated"),
                SessionEnded("test-c", "test", "checked", "checked only", level="static"),
            ],
            "0 built, 2 tested (1 native, 1 emulated, 1 cached), 0 import-only, 1 checked only, 0 not run",
        ),
        (
            [_end("build-a", "failed"), _end("build-b", "interrupted")],
            "1 failed, 0 built, 0 tested, 0 import-only, 0 not run",
        ),
        ([_end("sdist", "not-run")], "0 built, 0 tested, 0 import-only, 0 not run"),
        (
            [SessionEnded("build", "build", "done", "1 of 1", group=True), _end("build-a")],
            "1 built, 0 tested, 0 import-only, 0 not run",
        ),
    ],
)
def test_a_run_is_summed_up_by_what_is_there_now(
    outcomes: Iterable[SessionEnded], text: str
) -> None:
    assert summary(outcomes) == text


# --- sessions that only stand for others ------------------------------------------------------

GROUP = IndexedSession("build", "Build", "build", requires=("build-a", "build-b"), group=True)


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        (
            [_end("build-a", "cached"), _end("build-b", "cached"), _end("other", "failed")],
            "cached",
            "cached: 2 of 2",
        ),
        ([_end("build-a"), _end("build-b", "cached")], "done", "1 of 2 done, 1 cached"),
        ([_end("build-a"), _end("build-b")], "done", "2 of 2 done, 0 cached"),
        ([_end("build-a")], "done", "1 of 2 done, 0 cached"),
        (
            [_end("build-a", "not-run", "not run: static"), _end("build-b", "not-run", "not run")],
            "not-run",
            "not run: static",
        ),
        (
            [_end("build-a", "not-run", "not run: static"), _end("build-b", "cached")],
            "cached",
            "cached: 1 of 2",
        ),
        (
            [_end("build-a"), _end("build-b", "checked")],
            "checked",
            "1 of 2 checked only, not run",
        ),
        ([], "not-run", "not run: no session that it requires was selected"),
    ],
)
def test_a_group_ends_as_those_that_it_requires_did(
    ends: list[SessionEnded], status: str, reason: str
) -> None:
    ended = group_end(GROUP, ends)
    assert (ended.session, ended.phase, ended.group) == ("build", "build", True)
    assert (ended.status, ended.reason) == (status, reason)
    assert ended.exit_code == 0


def test_a_report_that_is_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("theirs")
    (tmp_path / "report.jsonl").symlink_to("precious")
    Journal(tmp_path / "report.jsonl", "run").write(_end("build-a"))
    assert (tmp_path / "precious").read_text() == "theirs"
    assert "build-a" in (tmp_path / "report.jsonl").read_text()


def test_a_run_ends_with_why_each_session_failed() -> None:
    error = WrongInput("no lock", why="a.c:1:2: error: x\nmore", place=Place("m.lock", 3, 4))
    reason = headline(error)
    assert reason == "m.lock:3:4: wrong-input: no lock: a.c:1:2: error: x …"
    announced = WrongInput("no lock", why="these errors:\n  a.c:1:2: error: x\nmore")
    assert headline(announced).endswith("no lock: these errors: a.c:1:2: error: x …")
    outcomes = (
        SessionEnded("build-x", "build", "failed", reason, 2, "wrong-input"),
        SessionEnded("sdist", "sdist", "done", "built: 0"),
    )
    first, second = last_words(outcomes).splitlines()
    assert first == f"mpforge > build-x: {reason}"
    assert second.startswith("mpforge > 1 failed")


def test_a_run_ends_with_which_tests_ran_nothing_and_the_remedy() -> None:
    checked = SessionEnded(
        "test-x", "test", "checked", "checked only, not run: why", level="static"
    )
    first, remedy, _ = last_words([checked]).splitlines()
    assert first == "mpforge > test-x: checked only, not run: why"
    assert "remove test.strategy" in remedy
