"""Find the runs of cibuildwheel in GitHub's workflows.

Each job is read once for each combination of its matrix, a reusable workflow once for each call, as for the
release of a tag. What else is not known before a job runs is unresolved, never guessed.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpforge.formats.toml import Path
from mpforge.migrate.ci.calls import (
    assigned,
    calls,
    defined,
    exported,
    version_in,
    written_whole,
)
from mpforge.migrate.ci.document import Document
from mpforge.migrate.ci.expressions import (
    HOLE,
    UNKNOWN,
    Partial,
    Unknown,
    as_text,
    condition,
    interpolated,
    with_holes,
)
from mpforge.migrate.ci.matrix import OpenContext, combinations
from mpforge.migrate.ci.preparation import prepares
from mpforge.migrate.ci.runners import UNKNOWN_RUNNER, Runner, runner_of
from mpforge.migrate.ci.runs import add_run, skip
from mpforge.migrate.cibuildwheel.options import Setting
from mpforge.migrate.cibuildwheel.versions import Version, parse_version
from mpforge.migrate.run import Found

_ACTION = re.compile(r"pypa/cibuildwheel@(?P<ref>\S+)")
_WHEELS = re.compile(r"wheel|publish|CIBW|(?:many|musl)linux", re.IGNORECASE)
_UPLOADS = re.compile(r"pypa/gh-action-pypi-publish|twine upload|uv publish|upload\.pypi")


def _table(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _jobs(workflow: Document) -> list[tuple[str, Mapping[str, Any]]]:
    jobs = _table(workflow.value, "jobs")
    return [(name, job) for name, job in jobs.items() if isinstance(job, dict)]


def read_workflows(workflows: Mapping[str, Document], found: Found) -> None:
    """Add the runs and settings of all workflows to ``found``."""
    for workflow in workflows.values():
        for setting in _all_settings(workflow):
            found.settings[setting] = None
        found.problems += _calls_of_other_repositories(workflow)
        callers = list(_callers(workflows, workflow))
        for contexts in callers:
            _read(workflow, contexts, found, publishes=_publishes(workflows.values()))
        if not callers or _triggers(workflow) - {"workflow_call"}:
            _read(workflow, _contexts(workflow), found, publishes=_publishes([workflow]))


def _calls_of_other_repositories(workflow: Document) -> Iterator[tuple[str, str]]:
    """Yield the jobs that seem to build wheels by a reusable workflow of another repository."""
    for name, job in _jobs(workflow):
        uses = job.get("uses")
        if isinstance(uses, str) and not uses.startswith("./"):
            words = f"{name} {uses} {job.get('name')} {job.get('with')}"
            if _WHEELS.search(words):
                yield (
                    f"{workflow.path}:{workflow.line(('jobs', name, 'uses'))}",
                    f"mpforge can't read {uses}: if it runs cibuildwheel, its options are not in the spec",
                )


def _publishes(workflows: Any) -> bool:
    return any(_UPLOADS.search(workflow.text) for workflow in workflows)


def _triggers(workflow: Document) -> set[str]:
    triggers = workflow.value.get("on") if isinstance(workflow.value, dict) else None
    return {str(name) for name in (triggers if isinstance(triggers, dict | list) else [triggers])}


def _contexts(workflow: Document) -> dict[str, Any]:
    """Return what a workflow's expressions know before it runs: as for the release of a tag."""
    event = "release" if "release" in _triggers(workflow) else "push"
    github = OpenContext({"event_name": event, "ref": "refs/tags/v0", "ref_type": "tag"})
    return {"inputs": _defaults(workflow), "github": github}


def _defaults(workflow: Document) -> dict[str, Any]:
    """Return the inputs by their defaults; those without one are unknown."""
    triggers = _table(workflow.value, "on")
    found: dict[str, Any] = {}
    for event in ("workflow_dispatch", "workflow_call"):
        for name, declared in _table(triggers.get(event), "inputs").items():
            default = declared.get("default", UNKNOWN) if isinstance(declared, dict) else UNKNOWN
            found[name] = default
    return found


def _callers(workflows: Mapping[str, Document], called: Document) -> Iterator[dict[str, Any]]:
    """Yield the contexts of each call of a reusable workflow by another one of the project."""
    for caller in workflows.values():
        for _, job in _jobs(caller):
            uses = job.get("uses")
            if isinstance(uses, str) and posixpath.normpath(uses) == called.path:
                contexts = _contexts(caller)
                for matrix in combinations(job.get("strategy"), contexts):
                    given = _table(job, "with")
                    inside = {**contexts, "matrix": matrix}
                    values = {name: interpolated(value, inside) for name, value in given.items()}
                    yield {**contexts, "inputs": {**_defaults(called), **values}}


def _read(workflow: Document, contexts: dict[str, Any], found: Found, *, publishes: bool) -> None:
    for name, job in _jobs(workflow):
        path: Path = ("jobs", name)
        for matrix in combinations(job.get("strategy"), contexts):
            _Job(workflow, path, job, {**contexts, "matrix": matrix}, found, publishes).read()


@dataclass
class _Job:
    """One job with one combination of its matrix."""

    workflow: Document
    path: Path
    job: Mapping[str, Any]
    contexts: dict[str, Any]
    found: Found
    publishes: bool
    variables: dict[str, Setting] = field(default_factory=dict)
    version: Version | None = None
    preparations: list[tuple[str, str]] = field(default_factory=list)
    """Notes about earlier steps, by their place."""

    def read(self) -> None:
        """Add the job's runs."""
        runner = self._runner()
        if runner is not UNKNOWN_RUNNER:
            self.contexts["runner"] = {"os": runner.other or "Linux"}
        environment: dict[str, Any] = {}
        document = self.workflow.value
        self._set(_table(document, "env"), ("env",), environment)
        self._set(_table(self.job, "env"), (*self.path, "env"), environment)
        if (
            condition(self.job.get("if"), {**self.contexts, "env": OpenContext(environment)})
            is False
        ):
            skip(self.found, self.variables, "the job never runs")
            return
        before = len(self.found.runs)
        skipped = len(self.found.notes)
        steps = self.job.get("steps")
        for number, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                self._step(step, (*self.path, "steps", number), dict(environment), runner)
        nothing = len(self.found.runs) == before and len(self.found.notes) == skipped
        own = [name for name in _table(self.job, "env") if name.startswith("CIBW_")]
        if nothing and own:
            self._run(self.path, dict(self.variables), {}, runner, None)

    def _runner(self) -> Runner:
        wanted = self.job.get("runs-on")
        if isinstance(wanted, dict):
            wanted = wanted.get("labels")
        value = interpolated(wanted, self.contexts)
        labels = [
            interpolated(label, self.contexts)
            for label in (value if isinstance(value, list) else [value])
        ]
        if any(isinstance(label, Unknown) or label is None for label in labels):
            # Its name may tell: jobs for other systems are often called so.
            other = runner_of([self.path[-1], self.job.get("name")]).other
            return Runner(other) if other else UNKNOWN_RUNNER
        return runner_of(labels)

    def _set(
        self, table: Mapping[str, Any], path: Path, environment: dict[str, Any]
    ) -> dict[str, Setting]:
        """Evaluate variables of one level; return those for cibuildwheel."""
        inside = {**self.contexts, "env": OpenContext(environment)}
        values = {name: interpolated(value, inside) for name, value in table.items()}
        environment |= values
        found = {
            name: self.workflow.setting(name, _variable(value), (*path, name))
            for name, value in values.items()
            if name.startswith("CIBW_")
        }
        self.variables = {**self.variables, **found}
        return found

    def _step(
        self, step: Mapping[str, Any], path: Path, environment: dict[str, Any], runner: Runner
    ) -> None:
        outside = self.variables
        own = self._set(_table(step, "env"), (*path, "env"), environment)
        variables, self.variables = self.variables, outside
        applies = condition(step.get("if"), {**self.contexts, "env": OpenContext(environment)})
        if applies is False:
            skip(self.found, own, "the step never runs with this matrix")
            return
        uses, script = step.get("uses"), step.get("run")
        action = _ACTION.fullmatch(uses) if isinstance(uses, str) else None
        if action is not None:
            inputs = self._inputs(_table(step, "with"), path, environment)
            version = self._pinned(action["ref"], (*path, "uses"))
            self._run(path, variables, inputs, runner, version)
        elif isinstance(script, str):
            if step.get("shell", "bash") in ("bash", "sh"):
                self._note_preparation(script, path)
            self._script(
                script, path, environment, variables, runner, sure=applies is True, own=own
            )
        elif own:
            self._run(path, variables, {}, runner, None)

    def _inputs(
        self, table: Mapping[str, Any], path: Path, environment: Mapping[str, Any]
    ) -> dict[str, Setting]:
        inside = {**self.contexts, "env": OpenContext(environment)}
        return {
            name: self.workflow.setting(
                name, _variable(interpolated(value, inside)), (*path, "with", name)
            )
            for name, value in table.items()
        }

    def _script(
        self,
        script: str,
        path: Path,
        environment: Mapping[str, Any],
        variables: dict[str, Setting],
        runner: Runner,
        *,
        sure: bool,
        own: Mapping[str, Setting],
    ) -> None:
        text = with_holes(script, {**self.contexts, "env": OpenContext(environment)})
        below = self._lines_below(path)
        self.version = version_in(text) or self.version
        inside = dict(variables)
        for name, value, line in exported(text):
            inside[name] = self._in_script(name, value, path, line + below)
        called = False
        for call in calls(text):
            called = True
            inputs = {
                name: self._in_script(
                    name, None if HOLE in value or "$" in value else value, path, call.line + below
                )
                for name, value in call.arguments.items()
            }
            special = {
                name: self._in_script(name, value, path, call.line + below)
                for name, value in call.variables.items()
            }
            self._run(path, {**inside, **special}, inputs, runner, self.version)
        for name, value, line in assigned(text):
            setting = self._in_script(name, value if sure else None, path, line + below)
            self.variables = {**self.variables, name: setting}
        whole = environment.get(written_whole(text) or "")
        if isinstance(whole, str | Partial):
            for name, value in defined(whole.text if isinstance(whole, Partial) else whole):
                setting = self._in_script(name, value, path, below)
                self.variables = {**self.variables, name: setting}
        if own and not called:
            self._run(path, inside, {}, runner, self.version)

    def _note_preparation(self, script: str, path: Path) -> None:
        """Keep a note about a step that may write files, for the runs after it."""
        if (command := prepares(script)) and not any(calls(script)):
            text = command if len(command) <= 60 else f"{command[:57]}…"
            note = (
                f"the job runs `{text}` before cibuildwheel; if it writes files that the build reads, "
                "run it in [build] before-build"
            )
            self.preparations.append((self._place((*path, "run")), note))

    def _lines_below(self, path: Path) -> int:
        """Return 1 if a step's script begins on the line below its key."""
        line = self.workflow.text_of_line((*path, "run"))
        return 1 if re.search(r"[|>][-+]?\s*$", line) else 0

    def _in_script(self, name: str, value: str | None, path: Path, line: int) -> Setting:
        setting = self.workflow.setting(
            name, UNKNOWN if value is None else value, (*path, "run"), line
        )
        self.found.settings[setting] = None
        return setting

    def _pinned(self, ref: str, path: Path) -> Version | None:
        """Return the version of a tag, or of the comment beside a commit."""
        line = self.workflow.text_of_line(path)
        comment = re.search(r"#.*?\bv?(\d+\.\d+(?:\.\d+)?)\b", line)
        return parse_version(ref) or (parse_version(comment[1]) if comment else None)

    def _run(
        self,
        path: Path,
        variables: dict[str, Setting],
        inputs: dict[str, Setting],
        runner: Runner,
        version: Version | None,
    ) -> None:
        runs = len(self.found.runs)
        add_run(
            self.found,
            where=self._place(path),
            variables=variables,
            inputs=inputs,
            runner=runner,
            version=version,
            publishes=self.publishes,
        )
        if len(self.found.runs) > runs:
            self.found.problems += self.preparations

    def _place(self, path: Path) -> str:
        return f"{self.workflow.path}:{self.workflow.line(path)}"


def _variable(value: Any) -> Any:
    return value if isinstance(value, Unknown) else as_text(value)


def _all_settings(workflow: Document) -> Iterator[Setting]:
    """Yield every variable of cibuildwheel in a workflow's tables, and every input of its action."""

    def walk(value: Any, path: Path) -> Iterator[Setting]:
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from walk(item, (*path, number))
        elif isinstance(value, dict):
            own = isinstance(value.get("uses"), str) and _ACTION.fullmatch(value["uses"])
            for key, inner in value.items():
                if path[-1:] in (("env",), ("variables",)) and key.startswith("CIBW_"):
                    yield workflow.setting(key, inner, (*path, key))
                elif own and key == "with" and isinstance(inner, dict):
                    for name, text in inner.items():
                        yield workflow.setting(name, text, (*path, "with", name))
                else:
                    yield from walk(inner, (*path, key))

    yield from walk(workflow.value, ())
