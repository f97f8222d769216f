"""Ask a build backend for further build requirements."""

import json
from typing import TYPE_CHECKING

from mpforge.kinds.kind import WheelHooks
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import AskRequirements

if TYPE_CHECKING:
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.step_ingredients import Provision


class AskingRequirements(WheelHooks[AskRequirements]):
    """Kind of the steps that ask a backend for its requirements."""

    def parts(
        self,
        command: AskRequirements,
        given: Given | None,  # noqa: ARG002
        provision: "Provision",
    ) -> dict[str, str]:
        """Return the parts of the interpreter and the compilers; for an sdist also git's state."""
        parts = provision.hook_parts(command)
        if command.hook == "sdist":
            parts |= provision.inputs.vcs_parts()
        return parts | provision.compiler_parts(command.compilers)

    def run(self, task: Task, command: AskRequirements, executor: "Executor") -> dict[str, str]:
        """Ask the backend; if it fails for an sdist, once more after the builds' own first commands."""
        from mpforge.kinds import hook_calls

        with hook_calls.opened(task, command, executor, builds=bool(command.before)) as hooks:
            answer = hooks.retried(
                command.retry, lambda: hooks.requirements(command.hook, command.config_settings)
            )
        return {"requirements": json.dumps(answer)}
