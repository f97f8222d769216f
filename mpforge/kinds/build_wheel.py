"""Build one wheel by its backend's hooks: on this host, or in the image of its compilers."""

from typing import TYPE_CHECKING

from mpforge.kinds.kind import WheelHooks
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import BuildWheel
from mpforge.platforms import well_known

if TYPE_CHECKING:
    from mpforge.kinds.build_tools import Settings
    from mpforge.kinds.execution import Executor
    from mpforge.kinds.hook_calls import HookCalls
    from mpforge.kinds.step_ingredients import Provision


class BuildingWheel(WheelHooks[BuildWheel]):
    """Kind of the steps that build a wheel."""

    def parts(
        self,
        command: BuildWheel,
        given: Given | None,  # noqa: ARG002
        provision: "Provision",
    ) -> dict[str, str]:
        """Return the parts of the interpreter and the compilers."""
        return provision.hook_parts(command) | provision.compiler_parts(command.compilers)

    def run(self, task: Task, command: BuildWheel, executor: "Executor") -> dict[str, str]:
        """Build the wheel; in an image, also copy out the image's libraries that it was linked with."""
        from mpforge.kinds import build_tools, hook_calls, wheel_repair

        output = task.directory.output
        with hook_calls.opened(task, command, executor, builds=True) as hooks:
            if command.environment is None:
                hooks.require("wheel", command.config_settings)
            settings = build_tools.config_settings(command, hooks.ready)
            if command.frontend == "uv" and hooks.run.place.shares_files:
                _build_by_uv(hooks, settings)
            else:
                hooks.build("wheel", output, settings)
            if command.compilers is not None:
                place, platform = hooks.run.place, well_known()[command.compilers.target]
                place.get(output)
                place.bring_libraries(output, platform, command.compilers.policy)
        return {"wheel": wheel_repair.sole_wheel(output).name}


def _build_by_uv(hooks: "HookCalls", settings: "Settings") -> None:
    import uv

    from mpforge.kinds import build_tools

    words = [f"{name}={value}" for name, values in settings for value in values]
    given = [word for pair in words for word in ("--config-setting", pair)]
    argv = [uv.find_uv_bin(), "build", "--wheel", "--no-build-isolation", "--offline"]
    argv += ["--no-config", "--no-cache", "--python", str(hooks.python), *given]
    directory = hooks.run.directory
    build_tools.show_view_to_uv(directory, hooks.variables)
    argv += ["-o", str(directory.output), str(directory.source)]
    hooks.run.call(argv, extra=hooks.variables)
    hooks.run.let_in()
    (directory.output / ".gitignore").unlink(missing_ok=True)
