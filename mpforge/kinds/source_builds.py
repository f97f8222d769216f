"""Build wheels of packages that have none: from a pinned sdist, or from a directory of sources.

They are built by this host's Python, without a compiler and off the network, in an environment of pinned
packages. Only pure wheels are accepted: they fit every target.
"""

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts import archives
from mpforge.errors import RequirementNotBuilt, StepFailed
from mpforge.kinds.build_hooks import Backend
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox, base_root
from mpforge.obtain.packages import installation, sdists
from mpforge.obtain.pins import Pins
from mpforge.places.sandbox import on_host
from mpforge.places.step import StepDirectory, StepRun, base_environment
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package, build_request
from mpforge.platforms import by_machine

_DEEP = 5


def _remedy(package: Package, request: EnvironmentRequest | None = None) -> str:
    remedy = (
        f"require a version of {package.name} that has a wheel, or give the path of a wheel of it: "
        f'requires = ["./wheels/{package.name.replace("-", "_")}-….whl"]'
    )
    if package.sdist and request is not None and request.purpose == "test":
        return f"set build-missing-wheels = true in [test], to have it compiled for the target; or {remedy}"
    return remedy


def host_platform() -> str:
    """Return the target name of this machine. Raises ``ValueError`` on one that builds nothing."""
    found = by_machine(os.uname().machine)
    if found is None:
        raise ValueError(f"{os.uname().machine} builds nothing")
    return found.name


def parts(pins: Pins, pin: EnvironmentPin) -> dict[str, str]:
    """Return the sources of packages built here, as ingredients of the environment's key.

    Raises what resolving raises.
    """
    found: dict[str, str] = {}
    for package in pin.packages:
        if not package.is_built:
            continue
        if package.path:
            found[f"package.{package.name}.files"] = pins.paths.files(package.path).digest()
        request = build_request(package, pin.request.python, host_platform())
        used = pins.environment(request)
        for other in used.packages:
            words = f"{other.version} {' '.join(other.hashes)}"
            found[f"package.{package.name}.built-with.{other.name}"] = words
    return found


@dataclass(frozen=True)
class SourceBuilds:
    """Builds the wheels of one step's packages."""

    task: Task
    toolbox: Toolbox
    pins: Pins
    deep: int = 0

    def wheels(self, pin: EnvironmentPin) -> dict[str, Path]:
        """Return the wheels of a pin that come from no index. Raises ``RequirementNotBuilt``."""
        found: dict[str, Path] = {}
        for package in pin.packages:
            if package.is_built:
                found[package.name] = self._built(package, pin.request)
            elif package.path:
                found[package.name] = self.pins.paths.wheel(package.path)
        return found

    def _built(self, package: Package, request: EnvironmentRequest) -> Path:
        named = package.path or f"{package.name} {package.version}"
        if self.deep > _DEEP:
            raise RequirementNotBuilt(f"{named} requires itself to build", hint=_remedy(package))
        try:
            wheel = self._wheel(package, request.python)
        except StepFailed as error:
            raise RequirementNotBuilt(
                f"{named} has no wheel for {request.platform}, {request.python}, and can't be built",
                why=f"{error.what}\n{error.why or ''}",
                hint=f"{_remedy(package, request)}; mpforge builds requirements without a compiler, so only "
                "pure Python works",
            ) from error
        if not wheel.name.endswith("-none-any.whl"):
            raise RequirementNotBuilt(
                f"{named} has compiled code, but no wheel for {request.platform}, {request.python}",
                why=f"its build produced {wheel.name}",
                hint=_remedy(package, request),
            )
        return wheel

    def _wheel(self, package: Package, python: str) -> Path:
        """Build a package's wheel in a directory of its own within the step's."""
        root = self.task.directory.root / f"built-{self.deep}-{package.name}"
        directory = StepDirectory(root)
        directory.prepare()
        if package.path:
            self.pins.paths.copy(package.path, directory.source)
        else:
            archive = sdists.obtain(package, root, self.pins.index, python=python)
            archives.unpack(archive, root / "unpacked")
            archives.sole_directory(root / "unpacked").rename(directory.source)
        wanted = build_request(package, python, host_platform())
        self._environment(wanted, directory)
        python_here = directory.environment / "bin" / "python"
        backend = Backend(self._run(package, directory), python_here, directory.source)
        more = {*wanted.requirements, *backend.requirements("wheel", ())}
        if more != set(wanted.requirements):
            shutil.rmtree(directory.environment)
            wanted = dataclasses.replace(wanted, requirements=tuple(sorted(more)))
            self._environment(wanted, directory)
        return backend.build("wheel", directory.output, ())

    def _environment(self, request: EnvironmentRequest, directory: StepDirectory) -> None:
        """Install a build environment, whose packages may have no wheel either."""
        pin = self.pins.environment(request)
        deeper = dataclasses.replace(self, deep=self.deep + 1)
        installation.install_venv(
            pin,
            python=self.toolbox.host_python(request.python).executable,
            dest=directory.environment,
            index=self.pins.index,
            wheels=deeper.wheels(pin),
        )

    def _run(self, package: Package, directory: StepDirectory) -> StepRun:
        folders = self.toolbox.programs.folders(self.task.step, git=False)
        path = [str(directory.environment / "bin"), *folders]
        return StepRun(
            f"building {package.name}",
            directory,
            self.task.log,
            base_environment(directory, path),
            self.task.step.timeout,
            place=on_host(
                directory.root,
                visible=self.toolbox.visible,
                base=base_root(self.toolbox.tools.base),
            ),
        )
