"""Check shipped files without running them: the static level of a test session."""

from typing import TYPE_CHECKING

from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import CheckFiles

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision


class CheckingFiles(Kind[CheckFiles]):
    """Kind of the steps that check shipped files."""

    def parts(self, command: CheckFiles, given: Given, provision: "Provision") -> dict[str, str]:
        """Return nothing: its inputs and mpforge's version determine the result."""
        return {}

    def run(self, task: Task, command: CheckFiles, provision: "Provision") -> dict[str, str]:
        """Check the files as their build did. Raises what the proof raises."""
        from mpforge.artifacts import proof, wheels
        from mpforge.artifacts.binary_format import Promise

        shipped = task.directory.prepare().source
        provision.store.restore(task.given.trees["shipped"], shipped)
        promise = Promise.of(command, excluded=command.exclude)
        if command.python is None:
            proof.prove_files(shipped, promise)
            return {}
        content = task.directory.root / "content"
        for wheel in shipped.glob("*.whl"):
            wheels.unpack(wheel, content)
            wrong = [*wheels.format_reasons(wheel.name, content), *wheels.record_reasons(content)]
            proof.refuse(wheel.name, wrong)
            proof.prove_wheel(wheel.name, content, command.python, promise, pure=command.only_pure)
        return {}
