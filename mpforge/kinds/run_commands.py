"""Run a project's own build commands and collect the declared outputs."""

from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import OutputMissing
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.narrowed_trees import pruned
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import RunCommands
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision


class RunningCommands(Kind[RunCommands]):
    """Kind of the steps that run build commands."""

    reads_host: bool = True

    def seen(self, command: RunCommands, source: Directory, inputs: Inputs) -> Directory:
        """Return the inputs of builds."""
        return pruned(source, command.exclude)

    def parts(self, command: RunCommands, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the compilers."""
        return provision.compiler_parts(command.compilers)

    def run(self, task: Task, command: RunCommands, provision: "Provision") -> dict[str, str]:
        """Run the commands and prove that the outputs are for the target. Raises ``OutputMissing``."""
        from mpforge.artifacts import step_paths
        from mpforge.artifacts.binary_format import Promise
        from mpforge.artifacts.declared_outputs import collect
        from mpforge.artifacts.proof import prove_files
        from mpforge.kinds import build_tools, execution, step_inputs

        directory = task.directory
        step_inputs.restore_source(provision.store, task.given.trees["source"], directory.source)
        ready = build_tools.make_ready(task, provision, command.compilers)
        installed = directory.root / "installed"
        placeholders = build_tools.placeholders(command.compilers, directory, ready)
        if command.installs:
            placeholders["dest_dir"] = str(installed)
        run = execution.start(
            task, provision, ready.variables, ready.path, placeholders=placeholders
        )
        for line in command.commands:
            run.command(line, cwd=directory.source)
        run.let_in()
        made = installed if command.installs else directory.source
        for glob in collect(command.outputs, made, directory.output):
            raise OutputMissing(
                f"the build succeeded, but no file matches {glob!r}",
                why="declared in [build] outputs",
                hint="paths are relative to the source directory, or to where the build installs",
            )
        passing = Path(run.place.to_place_paths(str(directory.root)))
        promise = Promise.of(command, excluded=(), passing=passing)
        for note in prove_files(directory.output, promise):
            run.note(note)
        places = (str(passing), str(directory.root))
        task.warnings.extend(step_paths.warnings(directory.output, places))
        return {}
