"""What people read: a line for each event that is worth one, and a failure's last words."""

import io
import threading

import pytest

from mpforge.errors import StepFailed
from mpforge.plan.events import (
    Checked,
    Chosen,
    Event,
    Published,
    StepEnded,
    StepHit,
    StepStarted,
    StepWaits,
    Warned,
    WorkEnded,
    Working,
)
from mpforge.plan.events import (
    Tested as WasTested,
)
from mpforge.plan.session_end import SessionEnded
from mpforge.reports.console import Console, ShownLog, duration, failure, size
from mpforge.workspace import host_system

STARTED = StepStarted("s", "wheel", "the wheel for aarch64-cp311", "log")
ENDED = StepEnded("s", "wheel", "k", 65.0, 120.25)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(*events: Event, stream: io.StringIO | None = None) -> list[str]:
    stream = stream or io.StringIO()
    console = Console(stream)
    for event in events:
        console.show(event)
    console.close()
    return stream.getvalue().splitlines()


def test_a_step_is_shown_when_it_starts_and_with_its_cost_when_it_ends() -> None:
    assert _shown(STARTED, ENDED) == [
        "mpforge > the wheel for aarch64-cp311 …",
        "mpforge > the wheel for aarch64-cp311: 1m05s, 120.2 s CPU",
    ]


def test_work_inside_a_step_ends_without_ending_the_step() -> None:
    assert _shown(
        STARTED, Working("s", "priming zig"), WorkEnded("s", "priming zig", 2), ENDED
    ) == [
        "mpforge > the wheel for aarch64-cp311 …",
        "mpforge > priming zig …",
        "mpforge > priming zig: 2.0 s",
        "mpforge > the wheel for aarch64-cp311: 1m05s, 120.2 s CPU",
    ]


def test_a_step_that_fails_is_said_to_have_failed_whatever_it_was_at() -> None:
    failed = StepEnded("s", "wheel", "k", 1.0, 1.0, failed=True)
    for events in ((STARTED, failed), (STARTED, Working("s", "priming zig"), failed)):
        assert _shown(*events)[-1] == "mpforge > the wheel for aarch64-cp311: failed"


def test_whatever_is_shown_to_run_is_no_more_after_the_end() -> None:
    before = threading.active_count()
    _shown(STARTED, Working("s", "a"), WorkEnded("s", "a", 1), ENDED)
    _shown(STARTED, Working("s", "a"))
    assert threading.active_count() == before


def test_on_a_terminal_too_what_a_step_cost_is_a_line_that_stays() -> None:
    shown = _shown(
        STARTED, Working("s", "[a]"), WorkEnded("s", "[a]", 1), ENDED, stream=_Terminal()
    )
    assert [line for line in shown if line.endswith("mpforge > [a]: 1.0 s")]
    assert [line for line in shown if line.endswith("aarch64-cp311: 1m05s, 120.2 s CPU")]


def test_hits_and_ends_of_sessions_are_not_worth_a_line() -> None:
    assert _shown(StepHit("s", "wheel", "k"), SessionEnded("s", "build", "done", "built")) == []


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StepWaits("s", "wheel"), "waiting: another process makes wheel"),
        (Published("s", "dist/a.whl", "d", True), "wrote dist/a.whl"),
        (Published("s", "dist/a.whl", "d", False), "in place dist/a.whl"),
        (
            WasTested("s", "a.whl", "aarch64", "cortex-a53", False, "emulated"),
            "tested a.whl on aarch64, CPU cortex-a53, emulated",
        ),
        (
            WasTested("s", "a.whl", "x86_64", None, True, "native"),
            "imported a.whl on x86_64, native",
        ),
        (Checked("s", "a.whl", "why"), "checked a.whl without running it: why"),
        (Warned("s", "a blob was damaged"), "warning: a blob was damaged"),
    ],
)
def test_an_event_that_is_worth_a_line_has_one(event: Event, line: str) -> None:
    assert _shown(event) == [f"mpforge > {line}"]


@pytest.mark.parametrize(
    ("download", "items", "words"),
    [
        (97_400_000, ("ziglang 0.15",), "up to 97 MB to fetch"),
        (300, ("tiny 1",), "up to 1 kB to fetch"),
        (None, ("ziglang 0.15",), "the download size is unknown"),
        (None, (), "the download size is unknown"),
        (0, (), "nothing to fetch"),
    ],
)
def test_before_anything_is_fetched_the_strategy_its_reason_and_the_size_are_said(
    download: int | None, items: tuple[str, ...], words: str
) -> None:
    chosen = Chosen("s", "aarch64", "cross", "zig", "setuptools crosses", download, items)
    assert _shown(chosen) == [
        f"mpforge > aarch64: cross (zig), because setuptools crosses; {words}"
    ]


def test_durations_and_sizes_are_for_people() -> None:
    assert [duration(s) for s in (0.04, 9.94, 12.4, 65, 3605)] == [
        "0.0 s",
        "9.9 s",
        "12 s",
        "1m05s",
        "60m05s",
    ]
    assert [size(n) for n in (1, 1_499, 999_000, 1_000_000)] == ["1 kB", "1 kB", "999 kB", "1 MB"]


def test_a_failure_ends_with_the_log_the_command_to_repeat_it_and_what_is_kept() -> None:
    text = failure(
        StepFailed("the wheel failed", why="exit code 1", hint="install it"),
        session="build-aarch64-cp311",
        again="--spec x.toml build-aarch64-cp311",
        log=ShownLog(".mpforge/logs/x.log", "error: boom"),
        finished=("dist/a.whl",),
        older=("dist/old.whl",),
    )
    wanted = [
        ".mpforge/logs/x.log",
        "error: boom",
        "step-failed: the wheel failed",
        "exit code 1",
        "install it",
        f"on {host_system()}",
        "mpforge run --spec x.toml build-aarch64-cp311",
        "finished in this run: dist/a.whl",
        "from earlier runs, untouched: dist/old.whl",
    ]
    assert [words for words in wanted if words not in text] == []


def test_a_failure_without_a_log_speaks_of_none() -> None:
    text = failure(
        StepFailed("no"),
        session="sdist",
        again="sdist",
        log=None,
        finished=(),
        older=(),
    )
    assert "log" not in text
    assert "dist/" not in text
