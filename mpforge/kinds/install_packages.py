"""Install pinned packages into a tree of their own."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.kinds.kind import Kind
from mpforge.kinds.step_places import python_if_here
from mpforge.kinds.task import Given, Task
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest
from mpforge.plan.requirements import OwnPackage, with_own_extras
from mpforge.plan.steps import InstallPackages, OutputOf, ShippedFiles
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize
    from mpforge.obtain.packages.installation import Wheels


class InstallingPackages(Kind[InstallPackages]):
    """Kind of the steps that install packages."""

    def given(
        self,
        command: InstallPackages,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return the pin of its packages, and the wheels that are built for it (``wheel.NAME``).

        Raises ``UnknownExtra``, ``RequirementNotBuilt``, and what resolving raises.
        """
        pin = _packages(command, provision, realize)
        if command.missing is None or not any(package.sdist for package in pin.packages):
            return Given({}, packages=pin)
        from mpforge.kinds import requirement_wheels

        return Given(
            requirement_wheels.made(command.missing, pin, provision, realize), packages=pin
        )

    def keyed(self, command: InstallPackages, given: Given) -> InstallPackages:
        """Return the command with its completed request only: the same packages give the same tree."""
        return command if given.packages is None else InstallPackages(given.packages.request)

    def parts(
        self, command: InstallPackages, given: Given, provision: "Provision"
    ) -> dict[str, str]:
        """Return the parts: packages, the sources of those without a wheel, and their interpreter."""
        known = given.packages or provision.pins.environment(command.request)
        parts = package_parts(known)
        parts |= {f"package.{name}": tree.digest() for name, tree in given.trees.items()}
        left = _without(given.trees, known)
        if any(package.is_built for package in left.packages):
            from mpforge.kinds import source_builds

            parts |= source_builds.parts(provision.pins, left)
        request = command.request
        if request.purpose == "image":  # an image's packages are compiled if this host can
            return parts | python_if_here(provision.toolbox, request.python)
        return parts | provision.toolbox.python_parts(request.python)

    def run(self, task: Task, command: InstallPackages, provision: "Provision") -> dict[str, str]:
        """Install the pinned packages, each purpose in its own layout."""
        from mpforge.kinds import target_packages
        from mpforge.obtain.packages import installation
        from mpforge.obtain.pythons import virtual_environments

        pin = task.given.packages
        if pin is None:
            raise AssertionError("packages to install were not resolved")
        directory, request, toolbox = task.directory.prepare(), pin.request, provision.toolbox
        wheels, index = _built_wheels(task, pin, provision), provision.pins.index
        optional, word = request.purpose == "image", request.python
        host = toolbox.python_if_here(word) if optional else toolbox.host_python(word)
        python = None if host is None else host.executable
        if python is not None and request.purpose in ("build", "tool"):
            place = directory.environment
            installation.install_venv(pin, python=python, dest=place, index=index, wheels=wheels)
            directory.output.rmdir()
            virtual_environments.export_tree(place, directory.output)
            return {}
        is_test = request.purpose == "test"
        install = installation.install_prefix if is_test else installation.install_target
        install(pin, dest=directory.output, index=index, host_python=python, wheels=wheels)
        if request.purpose == "target":
            target_packages.leave_for_compilers(directory.output)
        return {}


def of_tests(
    request: EnvironmentRequest, own: OwnPackage, extras: tuple[str, ...]
) -> EnvironmentRequest:
    """Return a test environment's request with the project's requirements. Raises ``UnknownExtra``."""
    wanted = with_own_extras(
        own, request.requirements, extras, target=request.target, python=request.python
    )
    return dataclasses.replace(request, requirements=wanted)


def package_parts(pin: EnvironmentPin) -> dict[str, str]:
    """Return pinned packages as ingredients: version, and the hashes of files that may be installed."""
    return {
        f"package.{package.name}": f"{package.version} {' '.join(package.hashes)}"
        for package in pin.packages
    }


def _packages(
    command: InstallPackages, provision: "Provision", realize: "Realize"
) -> EnvironmentPin:
    """Return the pin of an environment, with the requirements that are known only from its inputs."""
    request, pins = command.request, provision.pins
    extra: tuple[str, ...] = ()
    match command.extra:
        case ShippedFiles(session):
            own = provision.shipped[session].own()
            return pins.environment(of_tests(request, own, command.extras), own)
        case OutputOf(step):
            result, _ = realize(step)
            extra = tuple(json.loads(result.facts["requirements"]))
    wanted = tuple(sorted({*request.requirements, *extra}))
    return pins.environment(dataclasses.replace(request, requirements=wanted))


def _without(wheels: Mapping[str, Directory], pin: EnvironmentPin) -> EnvironmentPin:
    """Return a pin without the packages whose wheels other steps have made (``wheel.NAME``)."""
    left = tuple(package for package in pin.packages if f"wheel.{package.name}" not in wheels)
    return dataclasses.replace(pin, packages=left)


def _built_wheels(task: Task, pin: EnvironmentPin, provision: "Provision") -> "Wheels":
    """Return the wheels of packages that come from no index: made by other steps, built here, or of paths."""
    found: dict[str, Path] = {}
    for name, tree in task.given.trees.items():
        place = task.directory.root / name
        provision.store.restore(tree, place)
        found[name.removeprefix("wheel.")] = next(place.glob("*.whl"))
    left = _without(task.given.trees, pin)
    if any(package.is_built or package.path for package in left.packages):
        from mpforge.kinds.source_builds import SourceBuilds

        found |= SourceBuilds(task, provision.toolbox, provision.pins).wheels(left)
    return found
