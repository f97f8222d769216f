"""The CI services that mpforge writes a file for: where it is, and what it has."""

import csv
import difflib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.ci import github
from mpforge.ci.ci_file import CiFile
from mpforge.ci.job_list import job_list
from mpforge.ci.matrix import github_runners
from mpforge.ci.pipeline import Pipeline
from mpforge.errors import WrongInput
from mpforge.platforms import well_known

_RUNNERS = Path(__file__).with_name("runners.csv")


def _runners(service: str) -> Mapping[str, str]:
    """Return a service's machines by platform, from ``runners.csv``; an empty text is the usual machine."""
    with _RUNNERS.open(encoding="ascii", newline="") as file:
        machines = {
            row["machine"]: row["runner"]
            for row in csv.DictReader(file)
            if row["service"] == service
        }
    linux = ((name, one.machine) for name, one in well_known().items() if one.os == "linux")
    return {name: machines[machine] for name, machine in linux if machine in machines}


@dataclass(frozen=True)
class Service:
    """One service: ``path`` has ``{}`` for a word of a second spec; ``runners`` are machines by platform.

    ``directories``: its jobs can work in a directory of the repository, where the spec is.
    """

    name: str
    path: str
    written: Callable[[Pipeline], str]
    runners: Callable[[], Mapping[str, str]]
    most_minutes: int
    comment: str = "#"
    directories: bool = False

    def file(self, word: str) -> CiFile:
        """Return the service's file for a spec, with the word that tells it from the usual one."""
        return CiFile(self.path.format(f"-{word}" if word else ""), self.name, self.comment)


def _job_list(
    name: str,
    path: str,
    template: str,
    most_minutes: int,
    comment: str = "#",
    *,
    identity: bool = False,
    directories: bool = False,
) -> Service:
    """Return a service whose file lists each job."""
    return Service(
        name,
        path,
        functools.partial(job_list, template, identity=identity),
        functools.partial(_runners, name),
        most_minutes,
        comment,
        directories,
    )


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(
            "github",
            ".github/workflows/wheels{}.yml",
            github.workflow,
            github_runners,
            github.MOST_MINUTES,
            directories=True,
        ),
        # The longest jobs are those of each service's own machines, by its documentation.
        _job_list("gitlab", ".gitlab-ci{}.yml", "gitlab.yml", 180, identity=True, directories=True),
        _job_list("azure", "azure-pipelines{}.yml", "azure.yml", 360),
        _job_list("circleci", ".circleci/config{}.yml", "circleci.yml", 300),
        _job_list("buildkite", ".buildkite/pipeline{}.yml", "buildkite.yml", 240),
        _job_list("travis", ".travis{}.yml", "travis.yml", 120),
        _job_list("jenkins", "Jenkinsfile{}", "Jenkinsfile", 600, "//"),
    )
}


def service(name: str) -> Service:
    """Return the service of a name. Raises ``WrongInput`` with a near match."""
    found = SERVICES.get(name)
    if found is None:
        near = difflib.get_close_matches(name.lower(), SERVICES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"services: {' '.join(SERVICES)}"
        raise WrongInput(f"mpforge does not support the CI service {name!r}", hint=hint)
    return found
