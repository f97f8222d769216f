"""Write a pipeline as a file that lists each job: GitLab, Azure, CircleCI, Buildkite, Travis, Jenkins.

A service is a template with these sections, in the order of the file: ``settings``; ``builds`` before the
jobs that build, ``build`` for each, ``builds-end`` after them; ``tests``, ``test``, ``tests-end``;
``release``; ``end``. ``machine`` is filled in for jobs whose machine has a name; other sections stand for
their own names.
"""

import json
from collections.abc import Iterator

from mpforge import __version__
from mpforge.ci.pipeline import MAIN_PYTHON, Pipeline, Row
from mpforge.ci.publishing import commands
from mpforge.ci.template import fill, sections

_OPTIONAL = ("builds", "builds-end", "tests", "tests-end", "end", "machine", "working")


def job_list(template: str, pipeline: Pipeline, *, identity: bool = False) -> str:
    """Return the text of a service's file; ``identity`` is what ``commands`` needs to know of it."""
    parts = {**dict.fromkeys(_OPTIONAL, ""), **sections(template)}
    words = {
        **sections("shell.sh"),
        **parts,
        **({} if pipeline.directory else {"working": "", "tagged": ""}),
        "title": json.dumps(pipeline.title),
        **pipeline.words,
        "version": __version__,
        "python": MAIN_PYTHON,
        "publish": "\n".join(commands(pipeline, identity=identity)),
        "jobs": ", ".join(pipeline.names),
        "ids": ", ".join(map(_identifier, pipeline.names)),
        "quoted": ", ".join(f"'{name}'" for name in pipeline.names),
    }
    return "".join(fill(text, words | own) for text, own in _filled(parts, pipeline))


def _filled(parts: dict[str, str], pipeline: Pipeline) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each section of the file, with the words of its job."""
    yield parts["settings"], {}
    for name, rows in (("build", pipeline.build), ("test", pipeline.test)):
        if rows:
            yield parts[f"{name}s"], {}
        for row in rows:
            yield parts[name], _words(row) | ({} if row.runner else {"machine": ""})
        if rows:
            yield parts[f"{name}s-end"], {}
    if pipeline.ships_wheels:
        yield parts["release"], {}
    yield parts["end"], {}


def _words(row: Row) -> dict[str, str]:
    return {
        "name": row.name,
        "id": _identifier(row.name),
        "target": row.target,
        "target-id": _identifier(row.target),
        "runner": row.runner,
        "minutes": str(row.minutes),
        "sessions": row.sessions,
    }


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
