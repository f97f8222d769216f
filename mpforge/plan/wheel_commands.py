"""The command of a plan that runs the user's own commands on a wheel.

It has the properties of every command (``steps``).
"""

from dataclasses import dataclass, field

from mpforge.plan.codec import OneOf
from mpforge.plan.command_parts import BY_NAME, NARROWS, Libraries, OutputOf, ProjectFiles, Work
from mpforge.plan.places import ON_HOST
from mpforge.plan.texts import CommandLine


@dataclass(frozen=True)
class RunOnWheel(OneOf):
    """Run the user's commands on a wheel, in a copy of the project's files.

    ``replaces``: they write the wheel that goes on in its place; else they only check it. ``environment`` has
    their requirements for ``python``. ``target_environment`` and ``libraries``: see ``RepairWheel``.
    """

    wheel: OutputOf
    source: ProjectFiles
    exclude: tuple[str, ...] = field(metadata={NARROWS: True})
    commands: tuple[CommandLine, ...]
    replaces: bool
    target: str
    policy: str
    python: str
    environment: OutputOf
    target_environment: OutputOf | None = None
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})

    work = Work.BUILD
    is_main = False
    place = ON_HOST
    compilers = rust = None
