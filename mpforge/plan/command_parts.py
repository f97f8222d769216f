"""The parts of a plan's commands: references to file trees, marks of fields, the owner of programs."""

import enum
from dataclasses import dataclass

from mpforge.plan.codec import OneOf

NARROWS = "narrows"
"""Marks a field that is not itself an ingredient: the tree or pin that it leads to is one."""
BY_NAME = "by-name"
"""Marks a field of named values; its value is the word before each name: ``library.zlib``."""


@dataclass(frozen=True)
class ProjectFiles(OneOf):
    """The project's own files (docs/contract.md, "Spec"); with ``vcs`` also git's state."""

    vcs: bool = False


@dataclass(frozen=True)
class OutputOf(OneOf):
    """The output tree of another step of this plan."""

    step: str


@dataclass(frozen=True)
class ShippedFiles(OneOf):
    """The files in ``dist/`` for a target and a Python: the wheel, or the target's other files."""

    session: str


Tree = ProjectFiles | OutputOf | ShippedFiles

Libraries = tuple[tuple[str, OutputOf], ...]
"""Native libraries by name, in the order of their needs, each with the step that builds it."""


class Work(enum.Enum):
    """The owner of a step's programs: fetching, the build, mpforge's own on a wheel, the tests."""

    FETCH = enum.auto()
    BUILD = enum.auto()
    REPAIR = enum.auto()
    TEST = enum.auto()
