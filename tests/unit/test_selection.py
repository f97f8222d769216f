"""Which sessions of a run anything needs: nothing is made for one that is refused or has failed."""

from dataclasses import replace

import pytest

from mpforge.engine.selection import NOTHING_KNOWN, Selection
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import InImage
from mpforge.plan.sessions import IndexSettings, Plan, PlannedSession, Refusal
from mpforge.plan.toolchains import Compilers, ImageCompiler

NO_MUSL = Refusal("not-available-yet", "no musl")


def _session(name: str, *requires: str, refusal: Refusal | None = None) -> PlannedSession:
    phase, _, target = name.partition("-")
    return PlannedSession(
        name,
        phase,  # type: ignore[arg-type] # of the names below
        target or None,
        None,
        requires,
        refusal=refusal,
        group=name == "build",
    )


SESSIONS = (
    _session("sdist"),
    _session("deps-x"),
    _session("build-x", "sdist", "deps-x"),
    _session("test-x", "build-x"),
    _session("build-musl", "sdist", "deps-x", refusal=NO_MUSL),
    _session("test-musl", "build-musl", refusal=NO_MUSL),
    _session("build", "build-x", "build-musl"),
)
PLAN = Plan("Linux x86_64", SESSIONS, (), IndexSettings(), ())


def _reason(session: str, *names: str, named: str = "", failed: str = "") -> str | None:
    selection = Selection(frozenset({*names, session}), frozenset(named.split()))
    planned = PLAN.session(session)
    assert planned is not None
    return selection.needless(planned, PLAN, failed.split())


def test_nothing_is_made_for_refused_sessions_alone() -> None:
    words = "build-musl can't run here: no musl"
    assert _reason("sdist", "build-musl", "deps-x", named="build-musl") == words
    assert _reason("deps-x", "build-musl", "sdist", named="build-musl") == words


def test_a_wheel_is_not_built_for_a_test_that_is_refused() -> None:
    plan = replace(PLAN, sessions=(*SESSIONS[:3], _session("test-x", "build-x", refusal=NO_MUSL)))
    run = Selection(frozenset({"sdist", "deps-x", "build-x", "test-x"}), frozenset({"test-x"}))
    for name in ("sdist", "deps-x", "build-x"):
        planned = plan.session(name)
        assert planned is not None
        assert run.needless(planned, plan) == "test-x can't run here: no musl"


@pytest.mark.parametrize("failed", ["", "test-x"])
def test_what_one_session_needs_is_made_whatever_else_is_refused(failed: str) -> None:
    assert _reason("sdist", "build-musl", "build-x", "build", named="build", failed=failed) is None


def test_what_is_asked_for_by_name_is_made() -> None:
    assert _reason("sdist", "build-musl", named="sdist build-musl") is None
    assert _reason("sdist") is None


def test_nothing_is_fetched_once_the_sdist_has_failed() -> None:
    selected = ("sdist", "build-x", "test-x")
    assert _reason("deps-x", *selected, named="test-x", failed="sdist") == "sdist failed"
    assert _reason("deps-x", *selected, named="test-x") is None


def test_a_group_goes_on_with_what_has_not_failed() -> None:
    assert _reason("sdist", "build-x", "build", named="build", failed="build-musl") is None


def test_a_session_that_runs_by_itself_is_needed() -> None:
    assert all(NOTHING_KNOWN.needless(session, PLAN) is None for session in SESSIONS)


def test_a_run_prepares_only_the_compilers_of_its_own_builds() -> None:
    image = ImageCompiler(InImage(ImageRequest("an/image", "x"), (), network=False))
    one, two = (Compilers(image, "x", "manylinux_2_28", word) for word in ("cp311", "cp313"))
    deps = replace(_session("deps-x"), compilers=(one, two))
    builds = [
        replace(_session(f"build-x-{each.python}", "deps-x"), compilers=(each,))
        for each in (one, two)
    ]
    plan = replace(PLAN, sessions=(deps, *builds))
    run = frozenset({"deps-x", "build-x-cp313"})
    assert Selection(run, frozenset({"build-x-cp313"})).compilers_of(deps, plan) == (two,)
    assert Selection(run, frozenset({"deps-x"})).compilers_of(deps, plan) == (one, two)
    assert NOTHING_KNOWN.compilers_of(deps, plan) == (one, two)
