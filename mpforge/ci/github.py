"""Write a pipeline as a workflow of GitHub Actions."""

import json
from collections.abc import Iterable

from mpforge import __version__
from mpforge.ci.cibuildwheel import WheelRow
from mpforge.ci.matrix import ci_host, github_runners
from mpforge.ci.pins import pins
from mpforge.ci.pipeline import MAIN_PYTHON, Pipeline, Row
from mpforge.ci.publishing import commands
from mpforge.ci.template import fill, sections

MOST_MINUTES = 360
"""The longest job on GitHub's machines (its documentation of usage limits)."""


def workflow(pipeline: Pipeline) -> str:
    """Return the workflow's text."""
    parts = sections("github.yml")
    words = {
        **pins(),
        **sections("shell.sh"),
        **{name: parts[name] for name in ("start", "restore", "allow", "save", "logs")},
        "title": pipeline.title,
        **pipeline.words,
        "paths": parts["paths"] if pipeline.directory else "",
        "working": parts["working"] if pipeline.directory else "",
        "version": __version__,
        "host": github_runners()[ci_host().name],
        "python": json.dumps(MAIN_PYTHON),
        "needs": ", ".join(
            name
            for name, rows in (
                ("build", pipeline.build),
                ("test", pipeline.test),
                ("cibuildwheel", pipeline.others),
            )
            if rows
        ),
        "publish": "\n".join(commands(pipeline, identity=True)),
    }
    text = [fill(parts["settings"], words)]
    for name, rows in (("build", pipeline.build), ("test", pipeline.test)):
        if rows:
            text.append(fill(parts[name], words | {"rows": _rows(rows)}))
    if pipeline.others:
        names = sorted({name for row in pipeline.others for name in row.environment})
        given = "\n".join(f"          {name}: ${{{{ matrix.{name} }}}}" for name in names)
        others = {"rows": _wheel_rows(pipeline.others), "environment": given}
        text.append(fill(parts["others"], words | others))
    if pipeline.ships_wheels:
        text.append(fill(parts["release"], words))
    return "".join(text)


def _rows(rows: Iterable[Row]) -> str:
    """Return the rows of a matrix, each on one line."""
    return "\n".join(
        f"          - {{name: {row.name}, target: {row.target}, runner: {row.runner}, "
        f"minutes: {row.minutes}, python: {json.dumps(chr(10).join(row.pythons))}, "
        f"sessions: {json.dumps(row.sessions)}}}"
        for row in rows
    )


def _wheel_rows(rows: Iterable[WheelRow]) -> str:
    """Return the rows of cibuildwheel's matrix, each option on a line."""
    options = {row.name: {"runner": row.runner, **row.environment} for row in rows}
    return "\n".join(
        f"          - name: {name}\n"
        + "\n".join(f"            {key}: {json.dumps(value)}" for key, value in given.items())
        for name, given in options.items()
    )
