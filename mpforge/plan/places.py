"""Where a step's programs run: in which image, on what machine."""

from dataclasses import dataclass

from mpforge.plan.pins import ImageRequest
from mpforge.plan.texts import CommandLine, Text


@dataclass(frozen=True)
class Inside:
    """The image in which a step's programs run, once ``before`` has been run in it.

    ``network`` says that those commands may see more than loopback. ``environment`` is what a toolchain
    of the spec adds to the variables that the image sets.
    """

    image: ImageRequest
    before: tuple[CommandLine, ...] = ()
    network: bool = False
    environment: tuple[tuple[str, Text], ...] = ()


@dataclass(frozen=True)
class Machine:
    """Where a target's programs run: emulated or natively, on which CPU model, in which image if in one."""

    target: str
    emulated: bool
    cpu: str | None
    inside: Inside | None = None
