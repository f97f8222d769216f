"""Define one kind of step: the source it sees, the ingredients of its key, and how it runs.

A session whose results are all in the store imports the kinds too, for the keys: modules that only running
needs are imported when it runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import Command
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize
    from mpforge.places.step import StepDirectory

C = TypeVar("C", bound=Command)


class Kind(Protocol[C]):
    """The steps of one command class, with the behaviour that most kinds share.

    ``reads_host``: its programs read files of this host that a key can't list beforehand, so they are
    observed. ``sees_less``: a build that may fail because its source lacks files of the project.
    ``files_are_read``: later steps read single files of its output in the store.
    """

    reads_host: bool = False
    sees_less: bool = False
    files_are_read: bool = False

    def seen(self, command: C, source: Directory, inputs: Inputs) -> Directory:
        """Return the part of a source that a step sees: of the project's files, or of an unpacked sdist."""
        return source

    def source_in(self, output: Directory) -> Directory:
        """Return the part of a step's output that is the source of steps that use it."""
        return output

    def given(
        self,
        command: C,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return the inputs of a step's execution. Raises what making them raises, and ``Damaged``."""
        return Given(trees)

    def keyed(self, command: C, given: Given) -> C:
        """Return the command as it enters the key."""
        return command

    def writes_environment(self, command: C) -> bool:
        """Return whether the step changes its build environment, so that it needs a copy of its own."""
        return False

    def visible(self, directory: "StepDirectory") -> set[Path]:
        """Return further files and directories of this host that its programs need there."""
        return set()

    def parts(self, command: C, given: Given, provision: "Provision") -> dict[str, str]:
        """Return what it uses in addition to inputs, by name; ``given`` is empty before they are known."""
        ...

    def run(self, task: Task, command: C, provision: "Provision") -> dict[str, str]:
        """Run it, writing to ``directory.output``; return the facts that it found."""
        ...
