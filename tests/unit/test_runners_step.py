"""A running step: what is told of a program that the system does not start."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.errors import StepFailed
from mpforge.places.step import StepDirectory, StepRun


@pytest.fixture
def step(tmp_path: Path) -> Iterator[StepRun]:
    directory = StepDirectory(tmp_path / "step").prepare()
    with (tmp_path / "log").open("wb") as log:
        yield StepRun("build-x", directory, log, {"PATH": os.defpath}, timeout=60.0)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOENT, True),
        (errno.EACCES, True),
        (errno.ENOEXEC, True),
        (errno.E2BIG, False),  # what the hint says would lead astray
        (errno.ENOMEM, False),
    ],
)
def test_a_program_that_the_system_does_not_start_fails_the_step_and_the_cause_is_told(
    step: StepRun, monkeypatch: pytest.MonkeyPatch, number: int, hint: bool
) -> None:
    def refused(*_words: object, **_named: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(processes, "run", refused)
    with pytest.raises(StepFailed) as told:
        step.call(["/work/program"])
    cause = os.strerror(number)
    assert told.value.what == f"build-x: /work/program can't be started: {cause}"
    assert (told.value.hint is not None) == hint
