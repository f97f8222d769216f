"""Call a backend's hooks for a wheel, on this host or in the image of its compilers: ask it, and build."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.narrowed_trees import pruned, without_content
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import AskRequirements, BuildWheel, Settings
from mpforge.platforms import well_known
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.hook_calls import HookCalls
    from mpforge.kinds.step_ingredients import Provision, Realize

H = TypeVar("H", AskRequirements, BuildWheel)


class WheelHooks(Kind[H], Protocol[H]):
    """Kind of the steps that call a backend's hooks for a wheel: they see the inputs of builds."""

    reads_host: bool = True
    sees_less: bool = True

    def seen(self, command: H, source: Directory, inputs: Inputs) -> Directory:
        """Return a source without files that builds ignore."""
        return pruned(source, command.exclude)

    def given(
        self,
        command: H,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return its trees; where reads can be observed, the content of test files is not in the key."""
        if not command.place.sees_host:
            return Given(trees)
        return Given(trees, keyed={"source": without_content(trees["source"], command.tests)})

    def parts(self, command: H, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the interpreter and the compilers; for an sdist also git's state."""
        vcs = provision.inputs.vcs_parts() if command.hook == "sdist" else {}
        return provision.hook_parts(command) | provision.compiler_parts(command.compilers) | vcs


class AskingRequirements(WheelHooks[AskRequirements]):
    """Kind of the steps that ask a backend for its requirements."""

    def run(self, task: Task, command: AskRequirements, provision: "Provision") -> dict[str, str]:
        """Ask the backend; if it fails for an sdist, once more after the builds' own first commands."""
        from mpforge.kinds import hook_calls

        with hook_calls.opened(task, command, provision, builds=bool(command.before)) as hooks:
            answer = hooks.retried(
                command.retry,
                lambda: hooks.backend.requirements(command.hook, command.config_settings),
            )
        return {"requirements": json.dumps(answer)}


class BuildingWheel(WheelHooks[BuildWheel]):
    """Kind of the steps that build a wheel."""

    def writes_environment(self, command: BuildWheel) -> bool:
        """Return whether uv calls the hooks: a file in the environment then gives it the target view."""
        return command.frontend == "uv"

    def run(self, task: Task, command: BuildWheel, provision: "Provision") -> dict[str, str]:
        """Build the wheel; in an image, also copy out the image's libraries that it was linked with."""
        from mpforge.kinds import build_tools, hook_calls, wheel_repair

        output = task.directory.output
        with hook_calls.opened(task, command, provision, builds=True) as hooks:
            if command.environment is None:
                hooks.require("wheel", command.config_settings)
            settings = build_tools.config_settings(command, hooks.ready)
            if command.frontend == "uv" and hooks.run.place.shares_files:
                _build_by_uv(hooks, settings)
            else:
                hooks.backend.build("wheel", output, settings)
            if command.compilers is not None:
                place, platform = hooks.run.place, well_known()[command.compilers.target]
                place.get(output)
                place.bring_libraries(output, platform, command.compilers.policy)
        return {"wheel": wheel_repair.sole_wheel(output).name}


def _build_by_uv(hooks: "HookCalls", settings: Settings) -> None:
    import uv

    from mpforge.obtain.pythons.virtual_environments import site_packages

    words = [f"{name}={value}" for name, values in settings for value in values]
    given = [word for pair in words for word in ("--config-setting", pair)]
    argv = [uv.find_uv_bin(), "build", "--wheel", "--no-build-isolation", "--offline"]
    argv += ["--no-config", "--no-cache", "--python", str(hooks.python), *given]
    directory = hooks.run.directory
    if view := hooks.variables.get("PYTHONPATH"):  # uv's interpreter ignores it (-I)
        (site_packages(directory.environment) / "mpforge_view.pth").write_text(f"{view}\n", "utf-8")
    argv += ["-o", str(directory.output), str(directory.source)]
    hooks.run.call(argv, extra=hooks.variables, file_arguments=[Path(argv[0])])
    hooks.run.let_in()
    (directory.output / ".gitignore").unlink(missing_ok=True)
