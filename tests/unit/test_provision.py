"""What a step uses beside its inputs has a part in its key."""

import zlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.engine.provision import Provision
from mpforge.plan.model import MakeSdist, OutputOf, Plan, ProjectFiles, RepairWheel, Step


def parts(step: Step) -> dict[str, str]:
    """Those of a step of a project without a checkout, with the tools of this process."""
    nothing = SimpleNamespace(
        programs=SimpleNamespace(parts=lambda _: {}),
        python_parts=lambda _: {},
        rust=SimpleNamespace(parts=lambda *_: {}),
        vcs_parts=dict,
    )
    anything = cast("Any", nothing)
    provision = Provision(
        plan=Plan("linux", (), (step,)),
        store=anything,
        toolbox=anything,
        pins=anything,
        inputs=anything,
        machines=anything,
        containers=anything,
    )
    return provision._parts(step)


@pytest.mark.parametrize(
    "command",
    [
        MakeSdist(ProjectFiles(), OutputOf("env"), "cp311"),
        RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_28"),
    ],
)
def test_an_archive_is_made_again_with_another_zlib(
    command: MakeSdist | RepairWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step("x", "x", command)
    before = parts(step)
    monkeypatch.setattr(zlib, "ZLIB_RUNTIME_VERSION", "0.1")
    changed = {name for name, value in parts(step).items() if before.get(name) != value}
    assert changed == {"archive.zlib"}
