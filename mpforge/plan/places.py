"""The places of a step's programs: their image and their machine."""

from dataclasses import dataclass

from mpforge.plan.pins import ImageRequest
from mpforge.plan.texts import CommandLine, Text


@dataclass(frozen=True)
class Inside:
    """The image in which a step's programs run, after ``before`` has been run in it.

    ``network`` says that those commands may see more than loopback. ``environment`` are the variables that a
    toolchain of the spec adds to the image's.
    """

    image: ImageRequest
    before: tuple[CommandLine, ...] = ()
    network: bool = False
    environment: tuple[tuple[str, Text], ...] = ()


@dataclass(frozen=True)
class Machine:
    """Where a target's programs run: natively or emulated, on which CPU model, in which image if any."""

    target: str
    emulated: bool
    cpu: str | None
    inside: Inside | None = None
