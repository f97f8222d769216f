"""Builds and settings that go out of their way: said, and nothing wrong is kept."""

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Workspace

BUILD = f"build-{NATIVE}"
GOOD = "mkdir out\ncp greeting.txt out/\n"

pytestmark = pytest.mark.gcc


@pytest.mark.offline
def test_a_build_can_not_write_to_its_compiler(quick: Workspace) -> None:
    quick.write("build.sh", f'! chmod u+w "$CC"\n! echo "# mine" >> "$CC"\n{GOOD}')
    run = quick.nox(BUILD)
    assert run.code == 0, str(run)


def test_a_cache_at_the_top_of_the_source_is_no_part_of_it(quick: Workspace) -> None:
    quick.cache = Cache(quick.root / "cache-of-ours")
    assert quick.nox(BUILD).did == {BUILD}
    assert BUILD in quick.nox(BUILD).cached


def test_a_plan_that_was_edited_is_not_followed(quick: Workspace) -> None:
    assert quick.nox(BUILD).code == 0
    plan = quick.read(".mpforge/plan.json")
    assert "build.sh" in plan
    quick.write(".mpforge/plan.json", plan.replace("build.sh", "evil.sh"))
    quick.write("evil.sh", "exit 1\n")
    quick.write("greeting.txt", "anew\n")
    run = quick.nox(BUILD)
    assert run.code == 0, str(run)
    assert (quick.dist / NATIVE / "out" / "greeting.txt").read_text() == "anew\n"
