"""Compare the wheels of specs that `mpforge init` writes with cibuildwheel's, for 27 real configurations.

`nox -s bench -- from_cibuildwheel` prints a table; with `--write` it puts the frequency of options into
docs/from-cibuildwheel.md. `from-cibuildwheel.json` has what the projects tell cibuildwheel (values, no
files), and the identifiers that cibuildwheel printed: `table` for [tool.cibuildwheel] alone on x86_64 and
aarch64 (by 4.2.0), `workflow` for the variables of each Linux job, without those whose value only the job
knows, by the version that the project pins.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge.errors import MpforgeError
from mpforge.formats.toml import as_key, as_toml
from mpforge.migrate.account import Entry
from mpforge.migrate.cibuildwheel.options import option_of
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.initial_spec import InitialSpec, initial_spec
from mpforge.platforms import well_known
from mpforge.spec.load import load_spec
from mpforge.spec.options import narrowed, targets

HERE = Path(__file__).parent
DATA = HERE / "from-cibuildwheel.json"
PAGE = HERE.parent / "docs" / "from-cibuildwheel.md"
BEGIN, END = "<!-- options: begin -->", "<!-- options: end -->"
NEVER_BUILT = re.compile(r"gp\w+|pp(?!311$)\d+|cp3?[0-8]t?|cp2\d|cp3[5-8]")
Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Compared:
    """One configuration: cibuildwheel's pairs of target and Python, the spec's, and what init said."""

    project: str
    theirs: Pairs
    ours: Pairs
    initial: InitialSpec | None
    error: str = ""

    @property
    def buildable(self) -> Pairs:
        """Those of cibuildwheel's that this version of mpforge builds."""
        return frozenset(
            (target, python)
            for target, python in self.theirs
            if target in well_known()
            and well_known()[target].available
            and not NEVER_BUILT.fullmatch(python)
        )

    @property
    def same(self) -> bool:
        """True if the spec builds exactly what cibuildwheel does and mpforge can."""
        return not self.error and self.ours == self.buildable


def load() -> list[dict[str, Any]]:
    """Return the configurations."""
    found = json.loads(DATA.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def project_files(entry: Mapping[str, Any], *, workflows: bool) -> dict[str, str]:
    """Return the files that a configuration's values make, by path."""
    required = entry["requires-python"]
    lines = ["[project]", 'name = "p"', 'version = "1"']
    own = required.get("pyproject.toml")
    lines.append(f"requires-python = {as_toml(own)}" if own else 'dynamic = ["requires-python"]')
    lines += _toml(("tool", "cibuildwheel"), entry["options"] or {})
    files = {"pyproject.toml": "\n".join(lines) + "\n"}
    if "setup.cfg" in required:
        files["setup.cfg"] = f"[options]\npython_requires = {required['setup.cfg']}\n"
    if "setup.py" in required:
        files["setup.py"] = (
            f"from setuptools import setup\nsetup(python_requires={required['setup.py']!r})\n"
        )
    for workflow in entry["workflows"] if workflows else ():
        files[f".github/workflows/{workflow['file']}"] = json.dumps(_workflow(workflow), indent=1)
    return files


def _toml(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table as lines of TOML; its inner tables follow it."""
    yield f"[{'.'.join(map(as_key, path))}]"
    later = []
    for key, value in table.items():
        if isinstance(value, dict) or (
            isinstance(value, list) and value and isinstance(value[0], dict)
        ):
            later.append((key, value))
        else:
            yield f"{as_key(key)} = {as_toml(value)}"
    for key, value in later:
        if isinstance(value, dict):
            yield from _toml((*path, key), value)
        for inner in value if isinstance(value, list) else ():
            first, *rest = _toml((*path, key), inner)
            yield from (f"[{first}]", *rest)


def _workflow(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a workflow with its variables where they were; JSON is YAML. The action's calls are in order."""
    document: dict[str, Any] = {"on": ["push"], "jobs": {}}
    calls = list(facts["action"])
    steps: dict[str, dict[int, dict[str, Any]]] = {}
    for variable in facts["env"]:
        match = re.fullmatch(r"(?:/jobs/([^/]+))?(?:/steps/(\d+))?/env", variable["at"])
        assert match is not None
        job, step = match.groups()
        holder: dict[str, Any] = document
        if job is not None:
            holder = document["jobs"].setdefault(job, {"steps": []})
        if step is not None:
            own = steps.setdefault(job, {})
            if int(step) not in own:
                own[int(step)] = _call(calls.pop(0)) if calls else {"run": "python -m cibuildwheel"}
            holder = own[int(step)]
        holder.setdefault("env", {})[variable["name"]] = variable["value"]
    for job, found in steps.items():
        document["jobs"][job]["steps"] = [
            found.get(n, {"run": "true"}) for n in range(max(found) + 1)
        ]
    for number, call in enumerate(calls):
        document["jobs"][f"job{number}"] = {"steps": [_call(call)]}
    for job in document["jobs"].values():
        job["steps"] = job["steps"] or [{"run": "python -m cibuildwheel"}]
    return document


def _call(action: Mapping[str, Any]) -> dict[str, Any]:
    return {"uses": f"pypa/cibuildwheel@{action['version']}", "with": action["with"]}


def compare(entry: Mapping[str, Any], *, workflows: bool) -> Compared | None:
    """Compare one configuration; None if cibuildwheel printed nothing for it."""
    recorded = entry["workflow" if workflows else "table"]
    if recorded is None:
        return None
    theirs = frozenset(
        (machine if libc == "manylinux" else f"{machine}_musl", python)
        for name, pythons in recorded.items()
        for libc, machine in [name.split("_", 1)]
        for python in pythons.split()
    )
    try:
        initial = initial_spec(ProjectFiles(project_files(entry, workflows=workflows)))
    except MpforgeError as error:
        return Compared(entry["project"], theirs, frozenset(), None, str(error).splitlines()[0])
    spec = load_spec(initial.text, file="multiplatform.toml")
    spec = narrowed(spec, initial.pythons)
    ours = frozenset((target.name, python) for target in targets(spec) for python in target.pythons)
    if not workflows:  # recorded for these machines whatever the options say
        ours = frozenset(p for p in ours if well_known()[p[0]].machine in ("x86_64", "aarch64"))
    return Compared(entry["project"], theirs, ours, initial)


def rows(entries: list[dict[str, Any]], *, workflows: bool) -> Iterator[Compared]:
    """Yield the comparisons."""
    for entry in entries:
        if (found := compare(entry, workflows=workflows)) is not None:
            yield found


# --- the frequency of options -----------------------------------------------------------------


def frequencies(entries: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Return each option with the number of projects that set it, and what init makes of it."""
    users: dict[str, set[str]] = {}
    made: dict[str, Counter[str]] = {}
    for entry in entries:
        try:
            initial = initial_spec(ProjectFiles(project_files(entry, workflows=True)))
        except MpforgeError:
            continue
        for outcome in initial.account.entries():
            name = _option(outcome)
            users.setdefault(name, set()).add(entry["project"])
            made.setdefault(name, Counter()).update(_made(outcome))
    ordered = sorted(users, key=lambda name: (-len(users[name]), name))
    return [(name, len(users[name]), _summed(made[name])) for name in ordered]


def _summed(made: Counter[str]) -> str:
    keys = sorted(text for text in made if text.startswith("`"))
    return ", ".join(keys) or made.most_common(1)[0][0]


def _option(outcome: Entry) -> str:
    name = outcome.setting.name
    if name.startswith("CIBW_"):
        found = option_of(name)
        return name if found is None else _general(found[0])
    inside = name.startswith("overrides.") and name.endswith(".select")
    return "overrides" if inside else _general(name.split(".")[-1])


def _general(name: str) -> str:
    return re.sub(r"(many|musl)linux-\w+-image", r"\1linux-*-image", name)


def _made(outcome: Entry) -> Iterator[str]:
    if outcome.outcome == "translated":
        for key in outcome.text.split(", "):
            yield "`" + re.sub(r"(environment)\..*", r"\1", key) + "`"
    else:
        text = re.sub(r"`[^`]*`", "…", outcome.text)
        yield f"{outcome.outcome}: {text}".replace("|", "/")


def page_table(entries: list[dict[str, Any]]) -> str:
    """Return the frequencies as a table for the page."""
    lines = ["| option | projects | in the spec |", "|---|---|---|"]
    lines += [f"| `{name}` | {count} | {ours} |" for name, count, ours in frequencies(entries)]
    return "\n".join(lines)


def with_table(page: str, table: str) -> str:
    """Return the page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> int:
    """Print the comparisons; exit 1 below nine of ten."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="update docs/from-cibuildwheel.md")
    arguments = parser.parse_args()
    entries = load()
    good = True
    for workflows, what in ((False, "[tool.cibuildwheel] alone"), (True, "with the workflows")):
        found = list(rows(entries, workflows=workflows))
        same = sum(row.same for row in found)
        good &= same >= 0.9 * len(found)
        print(f"\n{what}: {same} of {len(found)} the same")
        for row in found:
            counts = f"{len(row.theirs):4} {len(row.buildable):4} {len(row.ours):4}"
            print(f"  {row.project:32} {counts}  {_said(row)}")
    if arguments.write:
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), page_table(entries)), "utf-8")
    return 0 if good else 1


def _said(row: Compared) -> str:
    if row.error:
        return row.error
    differs = [f"lacks {t}-{p}" for t, p in sorted(row.buildable - row.ours)]
    differs += [f"adds {t}-{p}" for t, p in sorted(row.ours - row.buildable)]
    left = len(row.theirs) - len(row.buildable)
    return "; ".join(
        [*(["the same"] if row.same else differs[:6]), *([f"{left} not built yet"] if left else [])]
    )


if __name__ == "__main__":
    sys.exit(main())
