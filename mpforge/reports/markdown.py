"""Write a run as a Markdown table, and add it to GitHub's summary of a job."""

import os
import re
from collections.abc import Mapping, Sequence

from mpforge.plan.session_end import SessionEnded
from mpforge.reports.html_page import plain
from mpforge.reports.journal import summary

_SUMMARY = "GITHUB_STEP_SUMMARY"
_MEANT = re.compile(r"([\\`*_\[\]<>|~#])")


def markdown(outcomes: Sequence[SessionEnded], *, title: str) -> str:
    """Return a table of sessions with their ends, and the summary of ``mpforge run`` below it."""
    rows = [
        f"| {_cell(end.session)} | {end.status} | {_cell(end.reason)} |"
        for end in outcomes
        if not end.group
    ]
    head = ["| session | status | |", "|---|---|---|"]
    return "\n".join([f"### {_cell(title)}", "", *head, *rows, "", _cell(summary(outcomes)), ""])


def _cell(text: str) -> str:
    """Return a text that stays in its cell and means nothing to Markdown."""
    return _MEANT.sub(r"\\\1", " ".join(plain(text).split()))


def add_to_job_summary(
    outcomes: Sequence[SessionEnded], spec: str, environment: Mapping[str, str] | None = None
) -> None:
    """Append the table to the file that GitHub names; one that can't be written is no error."""
    place = (os.environ if environment is None else environment).get(_SUMMARY)
    if not place:
        return
    text = markdown(outcomes, title=f"mpforge: {spec}")
    try:
        with open(place, "a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        return
