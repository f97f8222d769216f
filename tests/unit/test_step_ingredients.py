"""What a step uses beside its inputs has a part in its key."""

import zlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import NoHostPython
from mpforge.keys.walk import ABSENT
from mpforge.kinds.repair_wheel import log_parts
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.step_places import Places
from mpforge.kinds.task import Given
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import InImage, Machine
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import (
    BuildWheel,
    Command,
    MakeSdist,
    OutputOf,
    ProjectFiles,
    RepairWheel,
    RunTests,
    ShippedFiles,
    Step,
)
from mpforge.plan.toolchains import Compilers, ImageCompiler


def parts(step: Step) -> dict[str, str]:
    """Those of a step of a project without a checkout, with the tools of this process."""
    nothing = SimpleNamespace(
        programs=SimpleNamespace(parts=lambda _: {}),
        tools=SimpleNamespace(host_files=None),
        python_parts=lambda _: {},
        rust_parts=lambda *_: {},
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
        places=Places(anything, anything, anything, anything, anything),
    )
    return provision._parts(step, Given({}))


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


IMAGE = InImage(ImageRequest("an/image", "aarch64"), (), network=False)
IN_IMAGE = (
    BuildWheel(
        ProjectFiles(),
        (),
        (),
        OutputOf("env"),
        "cp311",
        Compilers(ImageCompiler(IMAGE), "aarch64", "manylinux_2_28", python=None),
    ),
    RunTests(
        ShippedFiles("build"),
        ProjectFiles(),
        (),
        (),
        Machine("aarch64", True, "cortex-a53", IMAGE),
        "cp311",
        OutputOf("env"),
    ),
)


@pytest.mark.parametrize("command", IN_IMAGE)
def test_the_python_that_compiles_an_emulated_one_s_library_is_in_the_key(command: Command) -> None:
    def python(emulated: bool, *, here: bool) -> set[tuple[str, str]]:
        def python_parts(word: str) -> dict[str, str]:
            if not here:
                raise NoHostPython(f"no {word}")
            return {"python.version": "3.11.7"}

        step = Step("x", "x", command)
        nothing = SimpleNamespace(
            python_parts=python_parts,
            compiler_parts=lambda _: {},
            pin=lambda _: SimpleNamespace(digest="sha256:0"),
            how=lambda _: "QEMU 7.2" if emulated else "native",
        )
        anything = cast("Any", nothing)
        provision = Provision(
            plan=Plan("linux", (), (step,)),
            store=anything,
            toolbox=anything,
            pins=anything,
            inputs=anything,
            machines=anything,
            places=Places(anything, anything, lambda: anything, anything, anything),
        )
        return {
            item
            for item in provision._parts(step, Given({})).items()
            if item[0].startswith("python")
        }

    assert python(True, here=True) == {("python.version", "3.11.7")}
    assert python(True, here=False) == {("python.version", ABSENT)}
    assert python(False, here=True) == set()


def test_a_wheel_of_a_build_with_errors_is_judged_again_although_its_bytes_are_another_s() -> None:
    begun = "building 'pkg._fast' extension\n"
    logs = ["", begun, begun + "error: command 'cc' failed", "fast.c:1:1: error: expected ';'"]
    assert len({tuple(log_parts(Given({}, build_log=log)).items()) for log in logs}) == len(logs)
