"""``mpforge report``: write a run as JUnit XML, an HTML page or a Markdown table."""

import argparse
import sys
from pathlib import Path

from mpforge.cli.options import workspace_of
from mpforge.cli.output_files import write_file
from mpforge.errors import ExitCode
from mpforge.reports.run_report import RunReport, read

DESCRIPTION = (
    "Write the last run of this checkout as JUnit XML, as one HTML page, or as a Markdown table (to stdout, "
    "if no file is named)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write an HTML page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a Markdown table")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="ID", help="the run with this id in report.jsonl")
    which.add_argument(
        "--all",
        action="store_true",
        help="all runs in report.jsonl; for each session, its last result",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files that are asked for."""
    workspace = workspace_of(arguments)
    report = read(workspace, run=arguments.run, every=arguments.all)
    wanted = {form: getattr(arguments, form) for form in ("junit", "html", "markdown")}
    if not any(wanted.values()):
        sys.stdout.write(_text("markdown", report))
    for form, place in wanted.items():
        if place is not None:
            write_file(place, _text(form, report), workspace)
    return ExitCode.DONE


def _text(form: str, report: RunReport) -> str:
    if form == "junit":
        from mpforge.reports.junit import junit

        return junit(report)
    if form == "html":
        from mpforge.reports.run_page import run_page

        return run_page(report)
    from mpforge.reports.markdown import markdown

    return markdown(report.outcomes, title=f"mpforge: {report.spec}")
