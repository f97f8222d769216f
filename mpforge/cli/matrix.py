"""``mpforge matrix``: print the sessions as CI jobs."""

import argparse
import json
import sys
from dataclasses import asdict

from mpforge.ci.matrix import Job, ci_host, jobs, nothing_to_do
from mpforge.cli.options import workspace_of, write_json
from mpforge.engine.load_plan import plan_on
from mpforge.errors import ExitCode, WrongInput
from mpforge.plan.facts import HostFacts

PHASES = ("build", "test")
GITHUB_LIMIT = 256
"""Most jobs in one matrix of GitHub Actions (its documentation of usage limits)."""

DESCRIPTION = "Print the sessions as CI jobs."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--by",
        choices=["target", "session"],
        default="target",
        help="one job for each target (default) or session",
    )
    parser.add_argument(
        "--format",
        choices=["json", "github"],
        default="json",
        help="github: lines for $GITHUB_OUTPUT",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the jobs."""
    workspace = workspace_of(arguments)
    plan, platforms = plan_on(
        workspace,
        HostFacts(ci_host().name, f"Linux {ci_host().machine}", container_runtime=True, roots=True),
    )
    found = jobs(plan, platforms, by=arguments.by)
    if not found:
        raise nothing_to_do(plan)
    for phase in PHASES:
        _tell(tuple(job for job in found if job.phase == phase), phase, arguments)
    if arguments.format == "json":
        write_json({"jobs": [asdict(job) for job in found]})
    else:
        for phase in PHASES:
            sys.stdout.write(f"{phase}={_include(found, phase)}\n")
    return ExitCode.DONE


def _tell(found: tuple[Job, ...], phase: str, arguments: argparse.Namespace) -> None:
    """Warn of a matrix that GitHub rejects. Raises ``WrongInput`` if the output is for GitHub."""
    if not found and arguments.format == "github":
        _warn(
            f"there is no {phase} job, and GitHub Actions rejects an empty matrix: give that job",
            f"`if: fromJSON(needs.JOB.outputs.{phase}).include[0]`",
        )
    if len(found) <= GITHUB_LIMIT:
        return
    what = f"{len(found)} {phase} jobs, but a GitHub matrix has {GITHUB_LIMIT} at most"
    by_target = len({job.target for job in found})
    hint = "split the targets into several specs, each with its own matrix"
    if arguments.by == "session" and by_target <= GITHUB_LIMIT:
        hint = f"use `mpforge matrix --by target`, which gives {by_target}"
    if arguments.format == "github":
        raise WrongInput(what, hint=hint)
    _warn(f"{what}:", hint)


def _warn(*words: str) -> None:
    """Print a warning to stderr."""
    sys.stderr.write(f"mpforge > warning: {' '.join(words)}\n")


def _include(found: tuple[Job, ...], phase: str) -> str:
    rows = [{**asdict(job), "python": job.python or ""} for job in found if job.phase == phase]
    return json.dumps({"include": rows}, separators=(",", ":"))
