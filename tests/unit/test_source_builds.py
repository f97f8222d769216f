"""Requirements without a wheel: one that can't be built into a pure wheel is refused with what to do."""

from pathlib import Path
from typing import cast

import pytest

from mpforge.errors import RequirementNotBuilt, StepFailed, render
from mpforge.kinds.source_builds import SourceBuilds
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package

PIN = EnvironmentPin(
    EnvironmentRequest("build", "cp311", "x86_64", ("old",)),
    (Package("old", "2.0", ("sha256:" + "0" * 64,), 9, sdist=True),),
)


class _Building(SourceBuilds):
    """Builds nothing: gives a wheel's name, or fails as its build does."""

    made: str | StepFailed

    def _wheel(self, package: Package, python: str) -> Path:
        if isinstance(self.made, str):
            return Path(self.made)
        raise self.made


def _refusal(made: str | StepFailed) -> str:
    class Building(_Building):
        pass

    Building.made = made
    # No task, tools or index: nothing is built.
    nothing = cast("Task", None), cast("Toolbox", None), cast("Pins", None)
    with pytest.raises(RequirementNotBuilt) as refused:
        Building(*nothing).wheels(PIN)
    return render(refused.value)


def test_a_requirement_whose_sdist_does_not_build_is_refused_with_the_reason_and_the_remedy() -> (
    None
):
    text = _refusal(StepFailed("its wheel failed", why="setup.py:3: error: no compiler"))
    assert text.startswith(
        "requirement-not-built: old 2.0 has no wheel for x86_64, cp311, and can't"
    )
    assert "  its wheel failed\n  setup.py:3: error: no compiler\n" in text
    assert "mpforge builds requirements without a compiler, so only pure Python works" in text
    assert "-> require a version of old that has a wheel, or give the path of a wheel of it" in text


def test_a_requirement_whose_build_gives_compiled_code_is_refused_by_the_wheel_s_name() -> None:
    text = _refusal("old-2.0-cp311-cp311-linux_x86_64.whl")
    assert text.startswith(
        "requirement-not-built: old 2.0 has compiled code, but no wheel for x86_64"
    )
    assert "its build produced old-2.0-cp311-cp311-linux_x86_64.whl" in text
