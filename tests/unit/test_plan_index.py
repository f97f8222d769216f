"""The index that nox's names come from, as it is kept; and lookups in plans and locks."""

import json
from pathlib import Path

import pytest

from mpforge import __version__
from mpforge.engine import load_index
from mpforge.plan.codec import decode, encode
from mpforge.plan.index import Index, IndexedSession
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Lock, StrategyPin
from mpforge.plan.sessions import Plan, PlannedSession

INDEX = Index(
    key="k",
    sessions=(
        IndexedSession("sdist", "The source distribution", "sdist"),
        IndexedSession(
            "test-aarch64-cp311-max",
            "Test it",
            "test",
            "aarch64",
            "cp311",
            "max",
            requires=("build-aarch64-cp311",),
        ),
        IndexedSession("test", "Test everything", "test", requires=("test-aarch64",), group=True),
    ),
    left_out=("build-aarch64-cp313",),
    warnings=("multiplatform.toml:3:1: warning: unused-key: …",),
)


def test_an_index_survives_the_way_through_json() -> None:
    assert decode(Index, json.loads(json.dumps(encode(INDEX)))) == INDEX


@pytest.mark.parametrize(
    "data",
    [
        {},
        {**encode(INDEX), "schema": 1},
        {**encode(INDEX), "sessions": None},
        {**encode(INDEX), "sessions": [{"name": "x"}]},
        {**encode(INDEX), "sessions": [{**encode(INDEX)["sessions"][0], "more": 1}]},
    ],
)
def test_an_index_of_another_version_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(Index, data)


def test_a_plan_finds_its_sessions_by_name_and_says_where_there_is_none() -> None:
    session = PlannedSession("build", "build", None, None, (), group=True)
    plan = Plan("Linux x86_64", (session,), ())
    assert plan.session("build") is session
    assert plan.session("biuld") is None


def test_a_lock_answers_only_for_exactly_what_was_asked() -> None:
    request = EnvironmentRequest("build", "cp311", "x86_64", ("setuptools",))
    pin = EnvironmentPin(request, ())
    chosen = StrategyPin("aarch64", "x86_64", "cross", "zig")
    lock = Lock(environments=(pin,), strategies=(chosen,))
    assert lock.environment(request) is pin
    assert lock.environment(EnvironmentRequest("build", "cp313", "x86_64", ("setuptools",))) is None
    assert lock.strategy("aarch64", "x86_64") is chosen
    assert lock.strategy("aarch64", "aarch64") is None


def test_in_a_checkout_of_mpforge_an_edit_of_it_makes_plans_anew(tmp_path: Path) -> None:
    package = tmp_path / "mpforge"
    for room in load_index._OF_A_PLAN:
        (package / room).mkdir(parents=True)
    table = package / "platforms" / "platforms.csv"
    table.write_text("a row\n", encoding="utf-8")
    version = load_index.own_version.__wrapped__
    assert version(package) == __version__, "an installed one has its version only"
    (tmp_path / "pyproject.toml").touch()
    before = version(package)
    table.write_text("another row\n", encoding="utf-8")
    assert before != version(package)
