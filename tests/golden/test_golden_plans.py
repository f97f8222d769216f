"""Whole plans, but for their prose: each folder's ``case.toml`` compiles to its ``case.plan.json``.

A case holds the spec's text and the other inputs of the compiler: ``[host]`` and ``[project]`` are the
fields of HostFacts and ProjectFacts, ``[[strategies]]`` and ``[[environments]]`` pins of the lock.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.plan.codec import decode, encode
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import EnvironmentPin, Lock, StrategyPin
from mpforge.plan.sessions import Plan
from mpforge.spec.load import load_spec

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/case.toml"))

LINUX = HostFacts(platform="x86_64", system="Linux x86_64", container_runtime=True)
SETUPTOOLS = ProjectFacts(
    form="tree",
    backend="setuptools.build_meta",
    in_tree=False,
    requires=("setuptools>=77",),
)


def _facts(table: dict[str, Any]) -> dict[str, Any]:
    """TOML's values as a frozen dataclass has them; an empty text is None, as TOML has no null."""
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return {key: value or None for key, value in table.items()} | lists


def plan_of(case: dict[str, Any]) -> Plan:
    lock = Lock(
        environments=tuple(decode(EnvironmentPin, pin) for pin in case.get("environments", ())),
        strategies=tuple(StrategyPin(**pin) for pin in case.get("strategies", ())),
    )
    return compile_plan(
        load_spec(case["spec"], file="case.toml"),
        replace(LINUX, **_facts(case.get("host", {}))),
        replace(SETUPTOOLS, **_facts(case.get("project", {}))),
        lock,
    )


def _lines(data: Any, *, head: str = "", tail: str = "") -> Iterator[str]:
    """JSON in lines for a diff: what fits on a line stays on it, or each item has its own."""
    indent = " " * (len(head) - len(head.lstrip()))
    whole = f"{head}{json.dumps(data, ensure_ascii=False)}{tail}"
    if not data or not isinstance(data, dict | list) or len(whole) <= 110:
        yield whole
        return
    pairs = data.items() if isinstance(data, dict) else [(None, item) for item in data]
    opening, closing = "{}" if isinstance(data, dict) else "[]"
    yield f"{head}{opening}"
    for number, (name, item) in enumerate(pairs, start=1):
        key = "" if name is None else f"{json.dumps(name)}: "
        yield from _lines(item, head=f"{indent} {key}", tail="," if number < len(data) else "")
    yield f"{indent}{closing}{tail}"


# Words for people: their own unit tests read them (strategies, availability, purity).
_PROSE = {"why", "what", "hint", "not_run", "only_pure", "title", "passed_over"}


def _shape(data: Any) -> Any:
    """A plan's JSON data without its prose: of strategies that were passed over, their names."""
    if isinstance(data, list):
        return [_shape(item) for item in data]
    if not isinstance(data, dict):
        return data
    shape = {name: _shape(value) for name, value in data.items()}
    for name in _PROSE & shape.keys():
        value = data[name]
        if name == "passed_over":
            shape[name] = [strategy for strategy, _ in value]
        elif value:
            shape[name] = "..."
    return shape


def _case(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_spec_compiles_to_exactly_its_golden_plan(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    shape = _shape(encode(plan_of(_case(folder))))
    written = "\n".join(_lines(shape)) + "\n"
    golden = folder / "case.plan.json"
    if request.config.getoption("--regenerate-golden"):
        golden.write_text(written, encoding="utf-8")
    assert json.loads(written) == shape
    assert written == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_plan_read_back_from_its_json_is_the_same_plan(folder: Path) -> None:
    plan = plan_of(_case(folder))
    assert decode(Plan, json.loads(json.dumps(encode(plan)))) == plan


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_whatever_a_session_or_a_step_refers_to_is_in_the_plan(folder: Path) -> None:
    plan = plan_of(_case(folder))
    names = {session.name for session in plan.sessions}
    ids = {step.id for step in plan.steps}
    assert len(names) == len(plan.sessions)
    assert len(ids) == len(plan.steps)
    for session in plan.sessions:
        assert names.issuperset(session.requires)
        assert ids.issuperset(session.steps)
        assert session.result is None or session.result == session.steps[-1]
