"""Bad input and unable hosts as nox shows them: a clear message, the right exit code, no traceback."""

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.workspace import Cache, Run, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

BUILD = "build-aarch64-cp311"


def refused(run: Run, code: str, *, exit_code: int = 1) -> None:
    """A run that fails with a code, says so, and shows nothing of our inside."""
    assert run.code == exit_code, str(run)
    assert code in run.output
    assert "Traceback" not in run.output


# --- the spec -------------------------------------------------------------------------------------


def test_an_invalid_spec_ends_nox_with_all_its_errors(workspace: Workspace) -> None:
    workspace.edit("multiplatform.toml", "aarch64", "arch64")
    workspace.edit("multiplatform.toml", "[build]", '[build]\nstrategy = "crosss"')
    run = workspace.nox("-l")
    refused(run, "did you mean", exit_code=2)
    assert run.output.count("multiplatform.toml:") == 2, str(run)


def test_what_is_not_built_yet_is_refused_by_its_own_session_only(workspace: Workspace) -> None:
    workspace.edit(
        "multiplatform.toml", 'targets = ["aarch64"]', 'targets = ["aarch64", "windows_x86_64"]'
    )
    assert workspace.nox(BUILD).code == 0
    shutil.rmtree(workspace.dist)
    run = workspace.nox("build-windows_x86_64")
    refused(run, "not-available-yet")
    assert run.reason("sdist").startswith("not run: build-windows_x86_64-cp311 can't run here")
    assert not workspace.dist.exists()


def test_a_backend_that_is_not_known_to_cross_is_refused_by_name(workspace: Workspace) -> None:
    workspace.edit("pyproject.toml", "setuptools.build_meta", "nobody.knows")
    run = workspace.nox("--no-dependencies", BUILD)
    refused(run, "no-strategy")
    assert "nobody.knows" in run.output
    assert 'set strategy = "cross" in [build] to try' in run.output


# --- the noxfile ----------------------------------------------------------------------------------

OWN_BUILD = """
    @nox.session(python=False)
    def build(session):
        session.log("mine")
"""


def test_a_session_defined_before_register_is_not_replaced(workspace: Workspace) -> None:
    head, call = "import nox\nimport mpforge.sessions\n", "mpforge.sessions.register()\n"
    (workspace.root / "noxfile.py").write_text(head + unindented(OWN_BUILD) + call, "utf-8")
    run = workspace.nox("-l")
    refused(run, "session-name-taken", exit_code=2)
    assert "prefix=" in run.output


def test_a_session_defined_after_register_does_not_win_silently(workspace: Workspace) -> None:
    head, call = "import nox\nimport mpforge.sessions\n", "mpforge.sessions.register()\n"
    (workspace.root / "noxfile.py").write_text(head + call + unindented(OWN_BUILD), "utf-8")
    refused(workspace.nox("build"), "session-name-taken", exit_code=2)


def unindented(text: str) -> str:
    return text.replace("\n    ", "\n")


def test_install_only_stores_and_publishes_nothing(unbuilt: Workspace, empty_cache: Cache) -> None:
    unbuilt.cache = empty_cache
    run = unbuilt.nox("--install-only", BUILD)
    assert run.code == 0, str(run)
    assert run.did == set()
    assert empty_cache.stored() == set()
    assert unbuilt.published() == set()


# --- the host -------------------------------------------------------------------------------------


def test_an_unreachable_index_is_told(unbuilt: Workspace, empty_cache: Cache) -> None:
    unbuilt.cache = empty_cache
    (unbuilt.root / "multiplatform.lock").unlink()
    spec = unbuilt.read("multiplatform.toml")
    unbuilt.write("multiplatform.toml", f'{spec}\n[index]\nurl = "http://127.0.0.1:9/simple"\n')
    without = {name: None for name in os.environ if name.startswith(("PIP_", "UV_"))}
    quiet = {**without, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "UV_HTTP_RETRIES": "0"}
    run = unbuilt.nox(BUILD, env={**quiet, "UV_CACHE_DIR": str(empty_cache.root / "uv")})
    refused(run, "index-unreachable")
    assert unbuilt.published() == set()


@pytest.mark.emulation
def test_a_missing_emulator_is_told_with_what_would_help(
    workspace: Workspace, empty_cache: Cache, place: Path
) -> None:
    workspace.cache = empty_cache
    programs = place / "bin"
    programs.mkdir()
    for folder in os.get_exec_path():
        for program in Path(folder).glob("*"):
            lacking = program.name.startswith(("qemu-", "apt", "dpkg"))
            if not lacking and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    run = workspace.nox("test-aarch64", env={"PATH": str(programs)})
    refused(run, "no-emulator")
    assert "qemu" in run.output
    assert BUILD in run.cached, "the wheel is there all the same"
    shutil.rmtree(programs)
