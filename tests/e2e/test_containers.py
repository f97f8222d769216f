"""One spec, built in the target's image: emulated, hybrid, natively; only ``[build]`` differs."""

import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Run, Workspace
from tests.images.engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.network]

BUILD = "build-aarch64-cp311"


def by(workspace: Workspace, strategy: str, image: str | None, target: str = "aarch64") -> None:
    """Choose the strategy and the image; all else of the spec stays."""
    named = "" if image is None else f'image = "{image}"\n    policy = "manylinux_2_36"\n'
    workspace.write(
        "multiplatform.toml",
        f"""
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["{target}"]
    [build]
    strategy = "{strategy}"
    {named}
    [test]
    command = ["{{python}} -m unittest discover -v -s tests {{posargs}}"]
    """,
    )


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def built(workspace: Workspace) -> Run:
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    return run


@pytest.mark.cross
@pytest.mark.emulation
def test_every_way_gives_a_wheel_of_the_same_files_and_tag(
    unbuilt: Workspace, empty_cache: Cache, emulating_engine: Engine, manylinux_aarch64_image: str
) -> None:
    unbuilt.cache = empty_cache
    found = {}
    for strategy in ("cross", "emulate", "hybrid"):
        image = None if strategy == "cross" else manylinux_aarch64_image
        by(unbuilt, strategy, image)
        run = built(unbuilt)
        assert f"aarch64: {strategy} (" in run.output
        wheel = unbuilt.wheel()
        found[strategy] = wheel.name, contents(wheel)
        assert unbuilt.record()[wheel.name]["strategy"] == strategy
    assert found["emulate"] == found["cross"]
    assert found["hybrid"] == found["cross"]
    tested = unbuilt.nox("test-aarch64-cp311")
    assert tested.code == 0, str(tested)
    assert "on aarch64, CPU cortex-a53" in tested.output
    assert "the child is on aarch64" in unbuilt.log("test-aarch64-cp311")
    again = built(unbuilt)
    assert unbuilt.steps() == [], str(again)
    assert BUILD in again.cached
    unbuilt.edit("tiny/_tiny.c", "(42)", "(6 * 7)")
    assert BUILD in built(unbuilt).did, "a changed source is built again"
    assert emulating_engine.ours(unbuilt.cache.root) == [], "no container is left"


@pytest.mark.cross
def test_an_image_of_this_machine_is_where_a_native_build_runs(
    unbuilt: Workspace, empty_cache: Cache, engine: Engine, manylinux_x86_64_image: str
) -> None:
    unbuilt.cache = empty_cache
    by(unbuilt, "native", manylinux_x86_64_image, target=NATIVE)
    run = unbuilt.nox(f"build-{NATIVE}")
    assert run.code == 0, str(run)
    assert f"{NATIVE}: native (image)" in run.output
    assert unbuilt.wheel().name.endswith(f"{NATIVE}.whl")
    assert engine.ours(unbuilt.cache.root) == [], "no container is left"
