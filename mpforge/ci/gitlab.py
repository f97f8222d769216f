"""Write a pipeline as the file of GitLab CI/CD."""

import json
from collections.abc import Iterable

from mpforge import __version__
from mpforge.ci.pipeline import MAIN_PYTHON, Pipeline
from mpforge.ci.publishing import commands
from mpforge.ci.template import fill, sections

MOST_MINUTES = 180
"""The longest job on GitLab.com's machines (its documentation of hosted runners)."""


def pipeline_file(pipeline: Pipeline) -> str:
    """Return the file's text."""
    parts = sections("gitlab.yml")
    words = {
        "title": json.dumps(pipeline.title),
        "spec": pipeline.spec,
        "version": __version__,
        "python": MAIN_PYTHON,
        "publish": _lines(commands(pipeline)),
    }
    text = [fill(parts["settings"], words)]
    for name, rows in (("build", pipeline.build), ("test", pipeline.test)):
        if name == "test" and rows:
            text.append(fill(parts["tests"], words))
        for row in rows:
            own = {
                "name": row.name,
                "target": row.target,
                "minutes": str(row.minutes),
                "sessions": json.dumps(row.sessions),
                "tags": f"\n  tags: [{row.runner}]" if row.runner else "",
            }
            text.append(fill(parts[name], words | own))
    if pipeline.ships_wheels:
        text.append(fill(parts["release"], words))
    return "".join(text)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(f"      {line}" for line in lines)
