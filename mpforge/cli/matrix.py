"""``mpforge matrix``: the sessions as CI jobs."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from mpforge.cli.options import add_spec, workspace_of, write_json
from mpforge.errors import ExitCode

if TYPE_CHECKING:
    from mpforge.ci.matrix import Job


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Its arguments."""
    parser = commands.add_parser(
        "matrix",
        description="Give the sessions as CI jobs. github: two lines for $GITHUB_OUTPUT.",
    )
    add_spec(parser)
    parser.add_argument("--by", choices=["target", "session"], default="target")
    parser.add_argument("--format", choices=["json", "github"], default="json")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the jobs."""
    from mpforge.ci.matrix import jobs
    from mpforge.engine.compiled import plan_on
    from mpforge.plan.facts import HostFacts

    workspace = workspace_of(arguments)
    plan, platforms = plan_on(workspace, HostFacts("x86_64", "Linux x86_64", engine=True))
    found = jobs(plan, platforms, by=arguments.by)
    if arguments.format == "json":
        write_json({"jobs": [asdict(job) for job in found]})
    else:
        for phase in ("build", "test"):
            sys.stdout.write(f"{phase}={_include(found, phase)}\n")
    return ExitCode.DONE


def _include(found: "tuple[Job, ...]", phase: str) -> str:
    rows = [{**asdict(job), "python": job.python or ""} for job in found if job.phase == phase]
    return json.dumps({"include": rows}, separators=(",", ":"))
