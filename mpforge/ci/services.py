"""The CI services that mpforge writes a file for: where it is, and what it has."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mpforge.ci import github
from mpforge.ci.ci_file import CiFile
from mpforge.ci.matrix import github_runners
from mpforge.ci.pipeline import Pipeline
from mpforge.errors import WrongInput


@dataclass(frozen=True)
class Service:
    """One service: ``path`` has ``{}`` for a word of a second spec; ``runners`` are machines by platform."""

    name: str
    path: str
    written: Callable[[Pipeline], str]
    runners: Callable[[], Mapping[str, str]]
    most_minutes: int
    comment: str = "#"

    def file(self, spec: str) -> CiFile:
        """Return the service's file for a spec, whose stem is given if it is not the usual one."""
        return CiFile(self.path.format(f"-{spec}" if spec else ""), self.name, self.comment)


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(
            "github",
            ".github/workflows/wheels{}.yml",
            github.workflow,
            github_runners,
            github.MOST_MINUTES,
        ),
    )
}


def service(name: str) -> Service:
    """Return the service of a name. Raises ``WrongInput`` with a near match."""
    found = SERVICES.get(name)
    if found is None:
        near = difflib.get_close_matches(name.lower(), SERVICES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"services: {' '.join(SERVICES)}"
        raise WrongInput(f"mpforge writes no CI for {name!r}", hint=hint)
    return found
