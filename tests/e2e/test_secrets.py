"""Values of secrets are written nowhere, even if a program of the step prints them."""

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import build_in, new_project
from tests.e2e.workspace import Cache, Run, Workspace

VALUE = "hushed-up"
TELLS = "echo it is $TOKEN; echo $TOKEN; exit 3"
SPEC = f"""
    schema = 1

    [project]
    targets = ["{NATIVE}"]

    [build]
    toolchain = "gcc"
    kind = "commands"
    commands = ["{TELLS}"]
    outputs = ["made"]
    secrets = ["TOKEN"]
"""


def conceals(workspace: Workspace, session: str, run: Run) -> None:
    """That what was printed is in the log, but for the value."""
    assert run.code == 1, str(run)
    log = workspace.log(session)
    assert "\nit is ***\n***\n" in log, log
    assert VALUE not in run.output
    written = [*(workspace.root / ".mpforge").rglob("*"), *workspace.cache.root.rglob("*")]
    assert [p for p in written if p.is_file() and VALUE.encode() in p.read_bytes()] == []


def test_what_a_program_prints_of_a_secret_is_struck_out(quick: Workspace) -> None:
    quick.write("multiplatform.toml", SPEC)
    session = f"build-{NATIVE}"
    conceals(quick, session, quick.nox(session, env={"TOKEN": VALUE}))


@pytest.mark.docker
def test_so_it_is_in_a_container(quick: Workspace, request: pytest.FixtureRequest) -> None:
    boxed = new_project(quick.root.parent / "boxed", Cache(quick.root.parent / "boxed-cache"))
    image = request.getfixturevalue(f"manylinux_{NATIVE}_image")
    build_in(boxed, image, f'secrets = ["TOKEN"]\n    before-build = ["{TELLS}"]')
    session = f"build-{NATIVE}-cp311"
    conceals(boxed, session, boxed.nox(session, env={"TOKEN": VALUE}))


def test_a_secret_that_is_not_set_is_told(quick: Workspace) -> None:
    quick.write("multiplatform.toml", SPEC.replace("exit 3", "touch made"))
    run = quick.nox(f"build-{NATIVE}")
    assert run.code == 0, str(run)
    assert any(
        "the secret TOKEN is not set: commands that need it will not see it" in line
        for line in run.warnings
    ), str(run)
