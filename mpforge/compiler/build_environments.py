"""Compile the steps of an isolated build environment, with the requirements that the backend reports."""

from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.steps import AskRequirements, InstallPackages, OutputOf, Step, Variables


def steps(
    request: EnvironmentRequest,
    ask: AskRequirements,
    given: Variables,
    timeout: int,
    ids: str,
) -> tuple[Step, ...]:
    """Return the steps that install, ask the backend (PEP 517), and install both; the last is the result.

    ``ids`` is the format of their ids.
    """
    asking, python = ids.format("requirements"), ask.python
    title = (
        f"{'before-build, and ' if ask.before else ''}build requirements reported by the backend"
    )
    install = InstallPackages(request, OutputOf(asking))
    return (
        Step(ids.format("base"), f"build requirements ({python})", InstallPackages(request)),
        Step(asking, title, ask, given, timeout),
        Step(ids.format("environment"), f"build environment ({python})", install),
    )
