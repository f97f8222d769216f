"""One execution of a step: its inputs and its paths. Light: a session without work imports it too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mpforge.kinds.observed_reads import Observed
from mpforge.plan.pins import EnvironmentPin
from mpforge.plan.steps import Step
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.places.step import StepDirectory, StepRun

WARNINGS = "told"
"""The fact of a result with warnings for the user: a JSON list of lines."""


@dataclass(frozen=True)
class Given:
    """A step's inputs: its references' trees by field, and texts that it needs.

    ``packages`` is the pin of an ``InstallPackages``; ``build_log`` the log of the wheel to repair;
    ``posargs`` those of a test. ``keyed`` are trees that enter the key in place of those it sees: without the
    content of tests.
    """

    trees: Mapping[str, Directory]
    packages: EnvironmentPin | None = None
    build_log: str = ""
    posargs: tuple[str, ...] = ()
    keyed: Mapping[str, Directory] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One execution: the step, its inputs, its own directory, its log.

    ``visitor`` is called in place of its programs, see ``StepRun``. ``keeps``: if it fails, its directory is
    kept. ``observed`` are reads that are not in its key, ``warnings`` lines for the user if it succeeds.
    """

    step: Step
    given: Given
    directory: "StepDirectory"
    log: BinaryIO
    visitor: "Callable[[StepRun], int] | None" = None
    keeps: bool = False
    observed: Observed = field(default_factory=Observed)
    warnings: list[str] = field(default_factory=list)


def since(log: Path, begin: int) -> bytes:
    """Return the bytes written to a log after an offset."""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read()
