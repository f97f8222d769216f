"""Define one kind of step: the source it sees, the ingredients of its key, and how it runs.

A session whose results are all in the store imports the kinds too, for the keys: modules that only running
needs are imported when it runs.
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
    """The steps of one command class, with the behaviour that most kinds share.

    ``reads_host``: its programs read files of this host that no key can foresee, so they are observed.
    ``sees_less``: a build that may fail because its source lacks files of the project.
    """

    reads_host: bool = False
    sees_less: bool = False

    def seen(self, command: C, source: Directory, inputs: Inputs) -> Directory:  # noqa: ARG002
        """Return the part of a source that a step sees: of the project's files, or of an unpacked sdist."""
        return source

    def source_in(self, output: Directory) -> Directory:
        """Return the part of a step's output that is the source of steps that use it."""
        return output

    def given(
        self,
        command: C,  # noqa: ARG002
        trees: Mapping[str, Directory],
        provision: "Provision",  # noqa: ARG002
        realize: "Realize",  # noqa: ARG002
    ) -> Given:
        """Return the inputs of a step's execution. Raises what making them raises, and ``Damaged``."""
        return Given(trees)

    def keyed(self, command: C, given: Given) -> C:  # noqa: ARG002
        """Return the command as it enters the key."""
        return command

    def parts(self, command: C, given: Given | None, provision: "Provision") -> dict[str, str]:
        """Return the parts used beside its inputs, by name; without ``given``, those known beforehand."""
        ...

    def run(self, task: Task, command: C, executor: "Executor") -> dict[str, str]:
        """Run it, writing to ``directory.output``; return the facts that it found."""
        ...


class WheelHooks(Kind[H], Protocol[H]):
    """Kind of the steps that call a backend's hooks for a wheel: they see the inputs of builds."""

    reads_host: bool = True
    sees_less: bool = True

    def seen(self, command: H, source: Directory, inputs: Inputs) -> Directory:  # noqa: ARG002
        """Return a source without files that builds ignore."""
        return pruned(source, command.exclude)

    def given(
        self,
        command: H,
        trees: Mapping[str, Directory],
        provision: "Provision",  # noqa: ARG002
        realize: "Realize",  # noqa: ARG002
    ) -> Given:
        """Return its trees, with test files that are observed rather than keyed, where that can be seen."""
        if not command.place.sees_host:
            return Given(trees)
        return Given(trees, keyed={"source": without_content(trees["source"], command.tests)})
