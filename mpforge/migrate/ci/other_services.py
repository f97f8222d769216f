"""Find the runs of cibuildwheel in the files of GitLab, Azure Pipelines, Travis CI, CircleCI and Cirrus CI.

They differ in how jobs are listed and repeated; within a job, variables and scripts are found by their keys.
A text that names a variable is expanded where its value is in the file; what is not is unresolved.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpforge.formats.toml import Path
from mpforge.migrate.ci.calls import calls, exported, version_in
from mpforge.migrate.ci.document import Document
from mpforge.migrate.ci.expressions import HOLE, UNKNOWN, Unknown, as_text
from mpforge.migrate.ci.runners import Runner, runner_of
from mpforge.migrate.ci.runs import add_run
from mpforge.migrate.cibuildwheel.options import Setting
from mpforge.migrate.run import Found

_ENVIRONMENTS = ("variables", "env", "environment")
_LABELS = ("os", "arch", "resource_class", "vmImage", "tags", "architecture", "xcode", "osx_image")
_HOLDERS = ("pool", "machine", "container", "arm_container", "compute_engine_instance")
_MACOS = ("macos", "macos_instance", "osx_instance", "xcode", "osx_image")
_SHELLS = ("CIBW_BEFORE", "CIBW_TEST_COMMAND", "CIBW_ENVIRONMENT", "CIBW_REPAIR")
"""Variables whose text is a shell's, with names of its own."""
_RESERVED = frozenset(
    {"stages", "default", "include", "workflow", "variables", "image", "services", "cache", "pages"}
)
_NAME = re.compile(
    r"\$\((?P<azure>[\w.]+)\)|\$\{(?P<braced>\w+)\}|\$(?P<plain>\w+)|<<\s*[\w.]+\s*>>"
)


@dataclass(frozen=True)
class _Job:
    """A job: its place and content, and the variables of one of its combinations."""

    path: Path
    content: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


def read_pipeline(document: Document, found: Found) -> None:
    """Add the runs and settings of one file to ``found``."""
    top = document.value if isinstance(document.value, dict) else {}
    common = dict(_variables(document, top, ()))
    for job in _jobs(document.path, top):
        own = dict(_variables(document, job.content, job.path))
        more = {name: document.setting(name, as_text(v), job.path) for name, v in job.more.items()}
        _read(document, job, {**common, **own, **more}, found)


def _read(document: Document, job: _Job, variables: dict[str, Setting], found: Found) -> None:
    runner = _runner(job, variables)
    version = None
    for path, script, own in _scripts(document, job.content, job.path):
        if "cibuildwheel" not in script and "CIBW_" not in script:
            continue
        inside = {**variables, **own}
        text = _expanded(script, inside)
        version = version_in(text) or version
        line = document.line(path)
        for name, value, below in exported(text):
            variables[name] = inside[name] = Setting(
                name, UNKNOWN if value is None else value, document.path, line + below
            )
        for call in calls(text):
            inputs = {
                name: Setting(
                    name, UNKNOWN if HOLE in value else value, document.path, line + call.line
                )
                for name, value in call.arguments.items()
            }
            special = {
                name: Setting(
                    name, UNKNOWN if value is None else value, document.path, line + call.line
                )
                for name, value in call.variables.items()
            }
            known = {**inside, **special}
            add_run(
                found,
                where=f"{document.path}:{line + call.line}",
                variables={
                    n: _resolved(s, known) for n, s in known.items() if n.startswith("CIBW_")
                },
                inputs=inputs,
                runner=runner,
                version=version,
                publishes="twine upload" in document.text,
            )
    for setting in variables.values():
        if setting.name.startswith("CIBW_"):
            found.settings[setting] = None


# --- jobs -------------------------------------------------------------------------------------


def _jobs(file: str, top: Mapping[str, Any]) -> Iterator[_Job]:
    if file.endswith(".travis.yml"):
        yield from _travis(top)
    elif "azure" in file:
        yield from _azure(top, ())
    elif ".circleci" in file:
        for name, job in _tables(top.get("jobs")):
            yield _Job(("jobs", name), job)
    elif "cirrus" in file:
        for name, job in _tables(top):
            if name == "task" or name.endswith("_task"):
                yield from _repeated(_Job((name,), job), job.get("matrix"))
    else:
        yield from _gitlab(top)


def _tables(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict):
            yield str(name), inner


def _repeated(job: _Job, matrix: Any) -> Iterator[_Job]:
    """Yield a job for each element of Cirrus's ``matrix``, whose tables are laid over the job's."""
    entries = (
        [entry for entry in matrix if isinstance(entry, dict)] if isinstance(matrix, list) else []
    )
    for entry in entries or [{}]:
        merged = dict(job.content)
        for key, value in entry.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = {**merged[key], **value} if both else value
        yield _Job(job.path, merged)


def _travis(top: Mapping[str, Any]) -> Iterator[_Job]:
    """Yield the jobs of ``jobs.include``, each with the file's own keys below it."""
    for key in ("jobs", "matrix"):
        inner = top.get(key)
        include = inner.get("include") if isinstance(inner, dict) else None
        entries = [(n, e) for n, e in enumerate(include or ()) if isinstance(e, dict)]
        if entries:
            for number, entry in entries:
                yield _Job((key, "include", number), {**top, **entry})
            return
    yield _Job((), top)


def _azure(value: Any, path: Path) -> Iterator[_Job]:
    """Yield every table with steps, for each entry of its matrix."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _azure(item, (*path, number))
    if not isinstance(value, dict):
        return
    if isinstance(value.get("steps"), list):
        strategy = value.get("strategy")
        matrix = strategy.get("matrix") if isinstance(strategy, dict) else None
        for entry in [e for _, e in _tables(matrix)] or [{}]:
            yield _Job(path, value, entry)
    for key in ("stages", "jobs"):
        yield from _azure(value.get(key), (*path, key))


def _gitlab(top: Mapping[str, Any]) -> Iterator[_Job]:
    for name, job in _tables(top):
        if name.startswith(".") or name in _RESERVED:
            continue
        merged = _extended(top, job, 0)
        parallel = merged.get("parallel")
        matrix = parallel.get("matrix") if isinstance(parallel, dict) else None
        entries = [entry for entry in matrix or () if isinstance(entry, dict)]
        for more in itertools.chain.from_iterable(map(_product, entries or [{}])):
            yield _Job((name,), merged, more)


def _extended(top: Mapping[str, Any], job: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return a job with what it extends below it; tables are merged."""
    names = job.get("extends", ())
    merged: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else ():
        other = top.get(name)
        if isinstance(other, dict) and depth < 10:
            merged = _laid_over(merged, _extended(top, other, depth + 1))
    return _laid_over(merged, job)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _product(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    choices = [value if isinstance(value, list) else [value] for value in entry.values()]
    for values in itertools.islice(itertools.product(*choices), 200):
        yield dict(zip(entry, values, strict=True))


# --- inside a job -----------------------------------------------------------------------------


def _variables(
    document: Document, table: Mapping[str, Any], path: Path
) -> Iterator[tuple[str, Setting]]:
    """Yield the variables that a table sets: as a table, as ``NAME=text`` lines, or as names and values."""
    for key in _ENVIRONMENTS:
        yield from _environment(document, table.get(key), (*path, key))


def _environment(document: Document, value: Any, path: Path) -> Iterator[tuple[str, Setting]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _environment(document, item, (*path, number))
    elif isinstance(value, str):
        for match in re.finditer(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)", value):
            yield match[1], document.setting(match[1], match[2].strip("\"'"), path)
    elif isinstance(value, dict) and isinstance(value.get("name"), str) and "value" in value:
        yield value["name"], document.setting(value["name"], as_text(value["value"]), path)
    elif isinstance(value, dict):
        for name, text in value.items():
            if name in ("global", "jobs", "matrix"):
                yield from _environment(document, text, (*path, name))
            else:
                inner = text.get("value") if isinstance(text, dict) else text
                yield name, document.setting(name, as_text(inner), (*path, name))


def _scripts(
    document: Document, value: Any, path: Path
) -> Iterator[tuple[Path, str, dict[str, Setting]]]:
    """Yield every text of a job, with the variables of the step around it."""
    if isinstance(value, str):
        yield path, value, {}
    elif isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        if texts and len(texts) == len(value):
            yield (*path, 0), "\n".join(text.rstrip("\n") for text in texts), {}
            return
        for number, item in enumerate(value):
            yield from _scripts(document, item, (*path, number))
    elif isinstance(value, dict):
        own = dict(_variables(document, value, path))
        for key, inner in value.items():
            if key not in _ENVIRONMENTS:
                for at, text, more in _scripts(document, inner, (*path, key)):
                    yield at, text, {**own, **more}


def _runner(job: _Job, variables: Mapping[str, Setting]) -> Runner:
    """Return the runner that a job's labels name; Linux with an unknown machine if none does."""
    labels: list[object] = []

    def collect(value: Any, depth: int) -> None:
        if isinstance(value, dict) and depth < 4:
            for key, inner in value.items():
                if key in _MACOS:
                    labels.append("macos")
                if key.startswith(("windows", "arm_")):
                    labels.append(key.replace("arm_", "arm64 "))
                if key in _LABELS:
                    labels.extend(inner if isinstance(inner, list) else [inner])
                elif key in _HOLDERS:
                    labels.append(inner if isinstance(inner, str) else "")
                    collect(inner, depth + 1)

    collect(job.content, 0)
    texts = [_expanded(str(label), variables) for label in labels if label is not None]
    return runner_of(text for text in texts if HOLE not in text)


def _expanded(text: str, variables: Mapping[str, Setting]) -> str:
    """Return a text with the variables of the file expanded, and a hole for each of the service's."""

    def value(match: re.Match[str]) -> str:
        name = match["azure"] or match["braced"] or match["plain"]
        known = variables.get(name) if name else None
        if known is not None and not isinstance(known.value, Unknown):
            return str(known.value)
        return HOLE if match["azure"] or match.group().startswith("<<") else match.group()

    return _NAME.sub(value, text)


def _resolved(setting: Setting, variables: Mapping[str, Setting]) -> Setting:
    if isinstance(setting.value, Unknown) or not isinstance(setting.value, str):
        return setting
    others = {name: s for name, s in variables.items() if s != setting}
    text = _expanded(setting.value, others)
    late = HOLE in text or (_NAME.search(text) and not setting.name.startswith(_SHELLS))
    return Setting(setting.name, UNKNOWN if late else text, setting.file, setting.line)
