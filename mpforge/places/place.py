"""The place where a step's programs run: this host, or a container that holds the step's directory.

A step is written once, with the host's paths; its place puts files where its programs see them, runs
the programs, gets back what they made, and says under which names they know the paths.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from mpforge.platforms import Platform
from mpforge.processes import Ended


class NotStarted(Exception):
    """The system refused to start a program; ``absent``: PATH has no program of that name.

    ``refused`` is the call that failed when a place was made for it, None if it was the program's own start.
    """

    def __init__(
        self,
        reason: str,
        *,
        absent: bool = False,
        hint: str | None = None,
        refused: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.absent = absent
        self.refused = refused
        self.hint = hint


class Place(Protocol):
    """The operations of the place where a step's programs run."""

    @property
    def image(self) -> str | None:
        """The name of the container's image, for messages; None on this host."""

    @property
    def shares_files(self) -> bool:
        """Return whether its programs use the host's own files, so that host programs can work on them."""

    @property
    def offline(self) -> bool:
        """Return whether its programs have no network."""

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """Return the variables that select the CPU model of the place's own emulator.

        Empty if the step itself names the emulator that starts programs.
        """

    def to_place_paths(self, text: str) -> str:
        """Replace the step's paths on this host by those in the place."""

    def to_host_paths(self, text: str) -> str:
        """Replace the step's paths in the place by those on this host."""

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Let programs see the step's directory, or these entries of it, as it is now."""

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Copy a path of the step back from the place.

        ``harmless``: without links to other places. Raises ``RuntimeRefuses`` if the path does not exist.
        """

    def bring_libraries(self, output: Path, platform: Platform, policy: str) -> None:
        """Copy the libraries of the place that wheels in ``output`` need into a folder beside them.

        Without those that every system of the policy has, and those that this host sees anyway.
        """

    def which(self, program: str, path: str) -> str | None:
        """Return the file that programs find by a name with this PATH."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        log: BinaryIO,
        timeout: float | None = None,
        file_arguments: Sequence[Path] = (),
    ) -> Ended:
        """Run a program to its end, or for ``timeout`` seconds.

        ``file_arguments`` are files, and directories of text files, that ``argv`` names outside of the
        step's directory.
        Raises ``NotStarted``, and what reaching the place raises.
        """

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> int:
        """Run a program, or a shell if ``argv`` is empty, on this process's terminal; return its exit status.

        ``secrets`` are variables whose values stay out of command lines. Raises ``NotStarted``,
        ``ToolUnavailable``.
        """
