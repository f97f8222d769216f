"""What goes wrong with a container runtime has a message of its own, and nothing is left."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import (
    BUILD,
    FOREIGN,
    SPEC,
    WAITS,
    boxed,
    build_in,
    builds,
    failed,
    native_image,
    new_project,
    tiny_image,
    waiting,
)
from tests.e2e.workspace import PROGRAMS, Cache, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.daemon import Daemon, daemon, why_no_daemon, why_no_own_handlers

__all__ = ["boxed", "native_image", "tiny_image"]  # fixtures
pytestmark = pytest.mark.docker


NOBODY = 65534


@pytest.fixture(scope="module")
def own_daemon(runtime: ContainerRuntime, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A runtime with the image and a small disk, that may be ended."""
    if (reason := why_no_daemon()) is not None:
        pytest.skip(f"docker: {reason}")
    image = request.getfixturevalue(f"manylinux_{NATIVE}_image")
    folder = Path(tempfile.mkdtemp(prefix="mpforge-runtime-"))  # a socket's path is short
    with daemon(folder, megabytes=900) as own:
        archive = folder / "image.tar"
        runtime.call("save", "--output", str(archive), image)
        own.runtime.call("load", "--input", str(archive))
        archive.unlink()
        yield own


@pytest.fixture
def on_own(boxed: Workspace, own_daemon: Daemon) -> Iterator[Workspace]:
    """The package with a runtime of the test's own."""
    boxed.variables["DOCKER_HOST"] = own_daemon.address
    yield boxed
    left_nothing_on(own_daemon, boxed)


def left_nothing_on(own: Daemon, workspace: Workspace) -> None:
    assert own.runtime.ours(workspace.cache.root) == []
    assert workspace.cache.leftovers() == []


def test_a_runtime_that_is_killed_during_a_build_is_missed_and_after_it_is_started_builds(
    on_own: Workspace, own_daemon: Daemon, native_image: str
) -> None:
    build_in(on_own, native_image, WAITS)
    with waiting(on_own) as running:
        own_daemon.kill()
        run = running.end()
    said = failed(on_own, run, "engine-lost")
    assert (
        "mpforge lost the connection to the container runtime while it tried to run /bin/sh" in said
    )
    assert "-> start it again and repeat the command" in said
    run = on_own.mpforge("run", BUILD)
    assert run.code == 4, str(run)
    assert f"no-engine: the container runtime at {own_daemon.address} does not answer" in run.output
    assert "-> start it (sudo systemctl start docker)" in run.output
    own_daemon.start()
    build_in(on_own, native_image)
    builds(on_own)


def test_a_runtime_that_is_stopped_as_a_system_does_it_is_missed_too(
    on_own: Workspace, own_daemon: Daemon, native_image: str
) -> None:
    build_in(on_own, native_image, WAITS)
    try:
        with waiting(on_own) as running:
            own_daemon.stop()
            run = running.end()
        failed(on_own, run, "engine-lost")
    finally:
        own_daemon.start()


def test_a_build_that_fills_the_runtime_s_disk_is_told_so_and_not_blamed_on_the_store(
    on_own: Workspace, native_image: str
) -> None:
    build_in(on_own, native_image, 'before-build = ["head -c 2G /dev/zero > big"]')
    said = failed(on_own, on_own.nox(BUILD), "engine-full")
    assert "before-build, and build requirements reported by the backend" in said
    assert "the container runtime's disk is full" in said
    assert "docker system prune" in said
    asked = [step for step in on_own.steps() if step.startswith("requirements-")]
    assert len(asked) == 1, "it is not tried again"
    build_in(on_own, native_image)
    builds(on_own)


def test_a_before_all_that_fills_the_runtime_s_disk_is_told_so(
    on_own: Workspace, native_image: str
) -> None:
    build_in(on_own, native_image, 'before-all = "head -c 2G /dev/zero > /big"')
    said = failed(on_own, on_own.nox(BUILD), "engine-full")
    assert "before-all (head -c 2G /dev/zero > /big) failed (exit status 1)" in said


def test_a_runtime_whose_disk_is_full_takes_no_files_and_says_so(
    on_own: Workspace, own_daemon: Daemon, native_image: str
) -> None:
    fill = ("head -c 2G /dev/zero > /big",)
    words = ("run", "--name", "full", "--network", "none", native_image, "sh", "-c", *fill)
    subprocess.run(["docker", "--host", own_daemon.address, *words], check=False)
    said = failed(on_own, on_own.nox(BUILD), "engine-full")
    assert "the container runtime's disk is full: it could not " in said
    own_daemon.runtime.call("rm", "full")
    builds(on_own)


def test_a_runtime_without_an_emulator_for_the_target_is_told_what_brings_one(
    boxed: Workspace, runtime: ContainerRuntime, request: pytest.FixtureRequest
) -> None:
    if (reason := why_no_daemon() or why_no_own_handlers()) is not None:
        pytest.skip(f"docker: {reason}")
    image = request.getfixturevalue(f"tiny_{FOREIGN}_image")
    folder = Path(tempfile.mkdtemp(prefix="mpforge-runtime-"))
    spec = SPEC.replace(f'targets = ["{NATIVE}"]', f'targets = ["{FOREIGN}"]')
    build_in(boxed, image, spec=spec.replace('"native"', '"emulate"'))
    with daemon(folder, megabytes=100, emulates=False) as own:
        archive = boxed.root.parent / "image.tar"
        runtime.call("save", "--output", str(archive), image)
        own.runtime.call("load", "--input", str(archive))
        boxed.variables["DOCKER_HOST"] = own.address
        said = failed(boxed, boxed.mpforge("run", f"build-{FOREIGN}-cp311"), "engine-cannot-run", 4)
        assert own.runtime.call("ps", "--all", "--quiet") == ""
    assert f"the container runtime does not run programs of {FOREIGN}" in said
    assert "-> install handlers: apt-get install qemu-user-static binfmt-support" in said
    assert "docker run --privileged --rm tonistiigi/binfmt --install " in said


def refused(workspace: Workspace, host: str | None) -> str:
    """What a run says that has no runtime."""
    workspace.variables["DOCKER_HOST"] = host
    run = workspace.mpforge("run", BUILD)
    assert run.code == 4, str(run)
    assert "Traceback" not in run.output, str(run)
    return run.output


def test_a_runtime_that_is_not_there_is_told_with_its_address(boxed: Workspace) -> None:
    said = refused(boxed, "unix:///nonexistent.sock")
    assert "no-engine: the container runtime at unix:///nonexistent.sock does not answer" in said
    assert "\n  No such file or directory\n" in said
    assert "start it (sudo systemctl start docker), or set DOCKER_HOST to its socket" in said
    assert 'or do without one: runtime = "sandbox" in [build]' in said
    said = refused(boxed, "tcp://127.0.0.1:9")
    assert "no-engine: the container runtime at tcp://127.0.0.1:9 does not answer" in said
    assert "\n  Connection refused\n" in said
    said = refused(boxed, "nonsense://here")
    assert "no-engine: the container runtime at nonsense://here does not answer" in said


def test_a_runtime_by_ssh_is_told_how_to_be_reached(boxed: Workspace) -> None:
    said = refused(boxed, "ssh://me@builder:2222")
    assert "socket: ssh -N -L local.sock:/var/run/docker.sock ssh://me@builder:2222; " in said
    assert "DOCKER_HOST=unix://$PWD/local.sock" in said


def test_a_host_without_any_sign_of_a_runtime_refuses_in_the_plan(boxed: Workspace) -> None:
    script = 'mount -t tmpfs none /run && exec "$@"'
    boxed.edit("multiplatform.toml", "[build]", '[build]\nruntime = "engine"')
    boxed.under = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    boxed.variables |= {"DOCKER_HOST": None, "XDG_RUNTIME_DIR": None}
    plan = boxed.mpforge("plan", "build")
    assert "no container runtime found: DOCKER_HOST is not set" in plan.output
    run = boxed.mpforge("run", BUILD)
    assert run.code == 4, str(run)
    assert "no-strategy: " in run.output
    assert "no container runtime found" in run.output


# Shows a directory below one that others may not enter, at its place, with nothing beside it.
SHOWS = """
set -e
mount --bind "$1" "$3"
mount -t tmpfs -o mode=755 none "$2"
mkdir -p "$1"
mount --bind "$3" "$1"
shift 3
exec "$@"
"""


def readable_python(place: Path) -> tuple[str, ...]:
    """What starts a program so that other users reach this Python, if they do not."""
    base = Path(sys.base_prefix)
    closed = [path for path in (*reversed(base.parents), base) if not path.stat().st_mode & 0o001]
    if not closed:
        return ()
    place.mkdir()
    return ("unshare", "--mount", "sh", "-c", SHOWS, "sh", str(base), str(closed[0]), str(place))


@contextmanager
def everybodys(image: str, *, groups: str) -> Iterator[Workspace]:
    """A project of another user, who is in these groups."""
    if os.geteuid() != 0:
        pytest.skip("docker: only root can be another user")
    root = Path(tempfile.mkdtemp(prefix="mpforge-everybody-"))
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", groups)
    try:
        workspace = new_project(root / "project", Cache(root / "cache"))
        workspace.under = (*readable_python(root / "python"), *user)
        workspace.variables["HOME"] = str(root)
        build_in(workspace, image)
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", root], check=True)
        asked = [*workspace.under, str(PROGRAMS / "python"), "-c", "import mpforge"]
        if subprocess.run(asked, cwd="/", check=False).returncode != 0:
            pytest.xfail("mpforge is installed where another user can't read it")
        yield workspace
    finally:
        shutil.rmtree(root)


def socket_of(runtime: ContainerRuntime) -> Path:
    """The socket by which the runtime is reached."""
    host = runtime.call("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    if not host.startswith("unix://"):
        pytest.skip(f"docker: {host} is no socket of this machine")
    return Path(host.removeprefix("unix://"))


def test_what_comes_out_of_a_container_belongs_to_the_user_who_called(
    runtime: ContainerRuntime, native_image: str
) -> None:
    group = socket_of(runtime).stat().st_gid
    with everybodys(native_image, groups=f"--groups={group}") as workspace:
        builds(workspace)
        made = [*workspace.root.rglob("*"), *workspace.cache.root.rglob("*")]
        strange = [path for path in made if path.lstat().st_uid != NOBODY]
        assert strange == []
        assert runtime.ours(workspace.cache.root) == []


def test_a_user_who_may_not_speak_to_the_runtime_is_told_what_to_do(
    runtime: ContainerRuntime, native_image: str
) -> None:
    socket = socket_of(runtime)
    with everybodys(native_image, groups="--clear-groups") as workspace:
        run = workspace.mpforge("run", BUILD)
        assert run.code == 4, str(run)
        what = f"no-engine: this user has no permission to connect to the container runtime at unix://{socket}"
        assert what in run.output
        assert f"-> run sudo usermod -aG {socket.group()} $USER and log in again" in run.output
        assert "Traceback" not in run.output
