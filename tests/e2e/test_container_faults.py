"""What ends a container: a kill, an interrupt, a timeout. Each has a message, and nothing is left."""

import json
import os
import signal

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import (
    BUILD,
    FOREIGN,
    WAITS,
    boxed,
    build_in,
    builds,
    failed,
    left_nothing,
    native_image,
    tiny_image,
    until,
    waiting,
)
from tests.e2e.workspace import Workspace
from tests.images.container_runtime import ContainerRuntime

__all__ = ["boxed", "native_image", "tiny_image"]  # fixtures
pytestmark = pytest.mark.docker


def test_a_killed_mpforge_takes_its_container_with_it_and_the_next_run_builds(
    boxed: Workspace, native_image: str, runtime: ContainerRuntime
) -> None:
    build_in(boxed, native_image, WAITS)
    with waiting(boxed) as running:
        (name,) = [line.split()[0] for line in runtime.ours(boxed.cache.root)]
        mark = json.loads(runtime.call("inspect", name))[0]["Config"]["Labels"]["mpforge"]
        running.signal(signal.SIGKILL, group=True)
        gone = until(lambda: not runtime.ours(boxed.cache.root), "the container is gone")
        assert gone < 2, "of itself: nobody is left to remove it"
        running.end()
    assert boxed.wheels() == []
    # What a killed run leaves if it was killed between the making of a container and its start.
    left = f"mpforge-left-{os.getpid()}"
    runtime.call("create", "--name", left, "--label", f"mpforge={mark}", native_image, "true")
    build_in(boxed, native_image)
    builds(boxed)
    assert runtime.call("ps", "--all", "--quiet", "--filter", f"name={left}") == ""
    assert runtime.ours(boxed.cache.root) == []
    assert boxed.cache.leftovers() == []


@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM"])
def test_an_interrupted_build_in_a_container_ends_with_130_and_leaves_none(
    boxed: Workspace, native_image: str, kind: str
) -> None:
    build_in(boxed, native_image, WAITS)
    with waiting(boxed) as running:
        number = signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    assert run.code == 130, str(run)
    assert "Traceback" not in run.output, str(run)
    left_nothing(boxed)


BOTH = f"""
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["{NATIVE}", "{FOREIGN}"]

    [build]
    strategy = "emulate"
    policy = "manylinux_2_36"
    BUILD

    [test]
    strategy = "skip"

    [targets.{NATIVE}.build]
    image = "IMAGE"

    [targets.{FOREIGN}.build]
    image = "OTHER"
"""


@pytest.mark.emulation
@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM"])
def test_interrupted_parallel_builds_in_containers_leave_none(
    boxed: Workspace,
    native_image: str,
    request: pytest.FixtureRequest,
    emulating_runtime: ContainerRuntime,
    kind: str,
) -> None:
    other = request.getfixturevalue(f"manylinux_{FOREIGN}_image")
    build_in(boxed, native_image, WAITS, spec=BOTH.replace("OTHER", other))
    both = (BUILD, f"build-{FOREIGN}-cp311")
    with waiting(boxed, "-j", "2", sessions=both) as running:
        assert len(emulating_runtime.ours(boxed.cache.root)) == 2
        number = signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    assert run.code == 130, str(run)
    assert "Traceback" not in run.output, str(run)
    assert boxed.wheels() == []
    # nox kills sessions that have not cleaned up within two seconds: then the container ends itself.
    until(lambda: not emulating_runtime.ours(boxed.cache.root), "the containers are gone", within=2)


def test_a_step_that_takes_too_long_ends_with_its_container(
    boxed: Workspace, native_image: str
) -> None:
    build_in(boxed, native_image, f'timeout = "6s"\n    {WAITS}')
    said = failed(boxed, boxed.nox(BUILD), "step-timeout")
    assert "ran longer than 6 s" in said


def test_a_before_all_that_takes_too_long_ends_too(boxed: Workspace, tiny_image: str) -> None:
    build_in(boxed, tiny_image, 'timeout = "1s"\n    before-all = "sleep 600"')
    said = failed(boxed, boxed.nox(BUILD), "step-timeout")
    assert "before-all ran longer than 1 s: sleep 600" in said
    assert "mpforge shell" not in said, "there is nothing to be opened"


def test_a_container_sees_nothing_of_the_host_and_one_that_is_removed_is_missed(
    boxed: Workspace, native_image: str, runtime: ContainerRuntime
) -> None:
    build_in(boxed, native_image, WAITS)
    with waiting(boxed) as running:
        (name,) = [line.split()[0] for line in runtime.ours(boxed.cache.root)]
        found = json.loads(runtime.call("inspect", name))[0]
        host = found["HostConfig"]
        assert host["Privileged"] is False
        assert not host["Binds"]
        assert [m for m in found["Mounts"] if m["Type"] != "volume"] == []
        assert (host["NetworkMode"], host["PidMode"], host["IpcMode"]) == ("none", "", "private")
        assert (host["Init"], host["AutoRemove"]) == (True, True)
        assert "no-new-privileges" in host["SecurityOpt"]
        assert not host["CapAdd"]
        assert not host["Devices"]
        runtime.call("rm", "--force", name)
        run = running.end()
    said = failed(boxed, run, "engine-lost")
    assert "the container was removed while /bin/sh ran in it" in said
    assert "-> repeat the command; if it fails again" in said


@pytest.mark.parametrize("network", ["false", "true"])
def test_a_container_has_the_network_only_where_the_spec_says_so(
    boxed: Workspace, native_image: str, runtime: ContainerRuntime, network: str
) -> None:
    build_in(boxed, native_image, f"network = {network}\n    {WAITS}")
    with waiting(boxed):
        (name,) = [line.split()[0] for line in runtime.ours(boxed.cache.root)]
        seen = json.loads(runtime.call("inspect", name))[0]["HostConfig"]["NetworkMode"]
    assert (seen == "none") is (network == "false"), seen
