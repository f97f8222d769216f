"""One kind of step, in one module: what a step of it sees, what its key holds, how it is run.

A session whose results are all in the store imports the kinds too, for the keys: what only running needs is
imported when it runs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from mpforge.kinds.inputs import Inputs, pruned, without_content
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import AskRequirements, BuildWheel, Command
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.step_ingredients import Provision, Realize

C = TypeVar("C", bound=Command)
H = TypeVar("H", AskRequirements, BuildWheel)


class Kind(Protocol[C]):
    """The steps of one command class. What most kinds do alike is written here.

    ``reads_host``: its programs read files of this host that no key can foresee, so they are observed.
    ``sees_less``: a build that may fail because its source lacks files of the project.
    """

    reads_host: bool = False
    sees_less: bool = False

    def seen(self, command: C, source: Directory, inputs: Inputs) -> Directory:  # noqa: ARG002
        """The part of a source that a step sees: of the project's files, or of an unpacked sdist."""
        return source

    def source_in(self, output: Directory) -> Directory:
        """What a step's output is to those that it is given to."""
        return output

    def given(
        self,
        command: C,  # noqa: ARG002
        trees: Mapping[str, Directory],
        provision: "Provision",  # noqa: ARG002
        realize: "Realize",  # noqa: ARG002
    ) -> Given:
        """What a step is executed with. Raises what making it raises, and ``Damaged``."""
        return Given(trees)

    def keyed(self, command: C, given: Given) -> C:  # noqa: ARG002
        """The command as it enters the key."""
        return command

    def parts(self, command: C, given: Given | None, provision: "Provision") -> dict[str, str]:
        """What it uses beside its inputs, by name; without ``given``, what is known beforehand."""
        ...

    def run(self, task: Task, command: C, executor: "Executor") -> dict[str, str]:
        """Run it; its output is in ``directory.output``, the facts that it found are returned."""
        ...


class WheelHooks(Kind[H], Protocol[H]):
    """The steps that call a backend's hooks for a wheel: they see what is an input of builds."""

    reads_host: bool = True
    sees_less: bool = True

    def seen(self, command: H, source: Directory, inputs: Inputs) -> Directory:  # noqa: ARG002
        """A source without what builds ignore."""
        return pruned(source, command.exclude)

    def given(
        self,
        command: H,
        trees: Mapping[str, Directory],
        provision: "Provision",  # noqa: ARG002
        realize: "Realize",  # noqa: ARG002
    ) -> Given:
        """Its trees; what it reads of tests is observed, but in a container that can't be had."""
        if command.inside is not None:
            return Given(trees)
        return Given(trees, keyed={"source": without_content(trees["source"], command.tests)})
