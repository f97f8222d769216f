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
    """The system would not start a program; ``absent``: PATH has none of that name."""

    def __init__(self, reason: str, *, absent: bool = False, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.absent = absent
        self.hint = hint


class Place(Protocol):
    """What a step asks of the place where its programs run."""

    @property
    def image(self) -> str | None:
        """The name of the image that it is made of, for messages; None: it is this host."""

    @property
    def shares_files(self) -> bool:
        """Whether its programs work on the host's own files, as the host's programs can for them."""

    @property
    def offline(self) -> bool:
        """Whether its programs are kept off the network."""

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """The variables that tell the emulator of the place itself which CPU model to be.

        None of them where programs are started by an emulator that the step names.
        """

    def shown(self, text: str) -> str:
        """A text with the step's paths as programs of the place know them."""

    def told(self, text: str) -> str:
        """A text that a program wrote, with the step's paths as the host knows them."""

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Let programs see the step's directory, or these entries of it, as it is now."""

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Replace a path of the step by what programs made of it.

        ``harmless``: less links that lead elsewhere. Raises ``RuntimeRefuses`` where there is no such path.
        """

    def bring_libraries(self, output: Path, platform: Platform, policy: str) -> None:
        """Copy the libraries of the place that wheels in ``output`` need into a folder beside them.

        Without those that every system of the policy has, and those that this host sees anyway.
        """

    def which(self, program: str, path: str) -> str | None:
        """The file that programs find by a name with this PATH."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        log: BinaryIO,
        timeout: float | None = None,
        lends: Sequence[Path] = (),
    ) -> Ended:
        """Run a program to its end, or for ``timeout`` seconds.

        ``lends`` are files and directories of texts beside the step's own that its arguments name.
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
        """Attach a program, or a shell without ``argv``, to this process's terminal; its exit status.

        ``secrets`` are variables whose values no command line shows. Raises ``NotStarted``,
        ``ToolUnavailable``.
        """
