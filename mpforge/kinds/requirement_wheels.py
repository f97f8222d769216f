"""Build test requirements for which the index has no wheel for the target, by separate steps."""

from typing import TYPE_CHECKING

from mpforge.errors import Damaged, LibraryMissing, RequirementNotBuilt, StepFailed
from mpforge.plan.pins import EnvironmentPin, Package
from mpforge.plan.steps import MissingWheels
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize


def made(
    missing: MissingWheels, pin: EnvironmentPin, provision: "Provision", realize: "Realize"
) -> dict[str, Directory]:
    """Return the trees with the wheels of packages that have only an sdist, as ``wheel.NAME``.

    Raises ``RequirementNotBuilt``.
    """
    from mpforge.compiler import backends, requirement_builds
    from mpforge.kinds.source_builds import host_platform

    found: dict[str, Directory] = {}
    for package in pin.packages:
        if package.sdist:
            if backends.configurer_of(package.build_requires) == "cargo":
                raise RequirementNotBuilt(
                    f"{_named(package, pin)}, and is built by Rust",
                    why="mpforge compiles Rust for the project only, not for its tests' requirements",
                    hint=_remedy(package),
                )
            steps = requirement_builds.steps(package, pin.request, missing, host_platform())
            provision.added.update({step.id: step for step in steps})
            try:
                _, found[f"wheel.{package.name}"] = realize(steps[-1].id)
            except Damaged:
                raise
            except StepFailed as error:
                raise _not_built(package, pin, error) from error
    return found


def _not_built(package: Package, pin: EnvironmentPin, error: StepFailed) -> RequirementNotBuilt:
    hint = _remedy(package)
    if isinstance(error, LibraryMissing) and error.hint:  # it means the project's own build
        hint = error.hint.replace("[build]", "[test]")
    return RequirementNotBuilt(
        f"{_named(package, pin)}, and can't be built for it",
        why="\n".join(filter(None, (error.what, error.why))),
        hint=hint,
    )


def _named(package: Package, pin: EnvironmentPin) -> str:
    request = pin.request
    return f"{package.name} {package.version} has no wheel for {request.platform}, {request.python}"


def _remedy(package: Package) -> str:
    return f"allow a version of {package.name} that has a wheel, or leave it out for this target"
