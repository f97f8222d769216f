"""What goes wrong with a container, its runtime or its image: a message of its own, and nothing is left."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NATIVE, NOXFILE
from tests.e2e.workspace import PROGRAMS, Cache, Run, Running, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.daemon import Daemon, daemon, why_no_daemon, why_no_own_handlers
from tests.images.recipes import LABEL

pytestmark = pytest.mark.docker

FOREIGN = {"x86_64": "aarch64", "aarch64": "x86_64"}[NATIVE]
BUILD = f"build-{NATIVE}-cp311"
SPEC = f"""
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["{NATIVE}"]

    [build]
    strategy = "native"
    image = "IMAGE"
    policy = "manylinux_2_36"
    BUILD

    [test]
    strategy = "skip"
"""
PYPROJECT = """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["."]

    [project]
    name = "tiny"
    version = "1.0"
"""
# Nothing is fetched for it: it has all that it needs.
BACKEND = """
    import base64
    import hashlib
    import io
    import subprocess
    import sysconfig
    import tarfile
    import zipfile

    FILES = ("backend.py", "pyproject.toml", "tiny.c")
    METADATA = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n"


    def build_sdist(folder, config_settings=None):
        with tarfile.open(f"{folder}/tiny-1.0.tar.gz", "w:gz") as tar:
            for name in FILES:
                tar.add(name, f"tiny-1.0/{name}")
            entry = tarfile.TarInfo("tiny-1.0/PKG-INFO")
            entry.size = len(METADATA)
            tar.addfile(entry, io.BytesIO(METADATA.encode()))
        return "tiny-1.0.tar.gz"


    def recorded(name, data):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(data)}\\n"


    def build_wheel(folder, config_settings=None, metadata_directory=None):
        name = "tiny" + sysconfig.get_config_var("EXT_SUFFIX")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", name, "tiny.c"], check=True)
        tag = "cp311-cp311-" + sysconfig.get_platform().replace("-", "_")
        wheel = f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n"
        with open(name, "rb") as file:
            files = {name: file.read()}
        files["tiny-1.0.dist-info/METADATA"] = METADATA.encode()
        files["tiny-1.0.dist-info/WHEEL"] = wheel.encode()
        record = "tiny-1.0.dist-info/RECORD"
        files[record] = ("".join(map(recorded, files, files.values())) + f"{record},,\\n").encode()
        with zipfile.ZipFile(f"{folder}/tiny-1.0-{tag}.whl", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return f"tiny-1.0-{tag}.whl"
"""
WAITS = """before-build = ["printf '%s\\\\n' 'it 'waits; sleep 600"]"""
PATIENCE = 60.0
NOBODY = 65534


def build_in(workspace: Workspace, image: str, build: str = "", spec: str = SPEC) -> None:
    """Choose the image, and lines of ``[build]``."""
    workspace.write("multiplatform.toml", spec.replace("IMAGE", image).replace("BUILD", build))


def new_project(root: Path, cache: Cache) -> Workspace:
    workspace = Workspace(root, cache)
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("pyproject.toml", PYPROJECT)
    workspace.write("backend.py", BACKEND)
    workspace.write("tiny.c", "void *PyInit_tiny(void) { return 0; }\n")
    return workspace


@pytest.fixture
def native_image(request: pytest.FixtureRequest) -> str:
    """An image with a Python and a compiler, of this machine's kind."""
    found: str = request.getfixturevalue(f"manylinux_{NATIVE}_image")
    return found


@pytest.fixture
def tiny_image(request: pytest.FixtureRequest) -> str:
    """One without both."""
    found: str = request.getfixturevalue(f"tiny_{NATIVE}_image")
    return found


@pytest.fixture
def boxed(place: Path, native_image: str) -> Workspace:
    """A package that is built in the image, by a backend that fetches nothing, in a cache of its own."""
    workspace = new_project(place / "boxed", Cache(place / "cache"))
    build_in(workspace, native_image)
    return workspace


def until(holds: Callable[[], Any], what: str, within: float = PATIENCE) -> float:
    """Wait until something holds; how long that took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < within, f"not within {within} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - start


@contextmanager
def waiting(
    workspace: Workspace, *words: str, sessions: tuple[str, ...] = (BUILD,)
) -> Iterator[Running]:
    """A run whose builds wait in their containers."""
    logs = [workspace.root / ".mpforge" / "logs" / f"{name}.log" for name in sessions]
    with workspace.started("nox", *words, "-s", *sessions) as running:

        def all_wait() -> bool:
            assert running.process.poll() is None, str(running.end())
            return all(log.exists() and "\nit waits\n" in log.read_text("utf-8") for log in logs)

        until(all_wait, "the builds wait")
        yield running


def failed(workspace: Workspace, run: Run, code: str, exit_code: int = 1) -> str:
    """That a run ended with one error, told as one, and left nothing; what it said."""
    assert run.code == exit_code, str(run)
    assert f"{code}: " in run.output, str(run)
    assert "Traceback" not in run.output, str(run)
    assert "nothing new is kept" not in run.output, str(run)
    left_nothing(workspace)
    return run.output


def left_nothing(workspace: Workspace, runtime: ContainerRuntime | None = None) -> None:
    assert workspace.wheels() == []
    assert workspace.cache.leftovers() == []
    found = runtime or ContainerRuntime()
    assert found.ours(workspace.cache.root) == []


def builds(workspace: Workspace) -> None:
    """That the next run builds."""
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    assert BUILD in run.did, str(run)
    assert len(workspace.wheels()) == 1


# --- ends from without ----------------------------------------------------------------------------


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


# --- the runtime -----------------------------------------------------------------------------------


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


# --- images ---------------------------------------------------------------------------------------


@contextmanager
def imported(runtime: ContainerRuntime, name: str, place: Path, *files: Path) -> Iterator[str]:
    """An image for this machine that has nothing but these files, in ``/bin``."""
    archive, tag = place / f"{name}.tar", f"mpforge-test-{name}:{os.getpid()}"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
        for file in files:
            tar.add(file, f"bin/{file.name}")
    platform = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[NATIVE]
    change = f"LABEL {LABEL}=fault"
    runtime.call("import", "--platform", platform, "--change", change, str(archive), tag)
    try:
        yield tag
    finally:
        runtime.call("image", "rm", "--force", tag)


def test_an_image_without_any_program_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    with imported(runtime, "scratch", place) as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no `cat` that runs, so no step can run in it" in said
        assert "exec cat failed: No such file or directory" in said
        assert "-> name another image in [build] image" in said


@pytest.mark.gcc
def test_an_image_without_a_shell_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    source = place / "cat.c"
    source.write_text(
        "#include <unistd.h>\n"
        "int main(void) { char c; while (read(0, &c, 1) == 1) write(1, &c, 1); return 0; }\n",
        encoding="utf-8",
    )
    subprocess.run(["gcc", "-w", "-static", "-o", place / "cat", source], check=True)
    with imported(runtime, "shell-less", place, place / "cat") as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no shell: /bin/sh can't be started in it" in said


def test_an_image_whose_programs_are_of_another_kind_than_it_says_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    cat = place / "cat"
    cat.write_bytes(b"\x7fELF" + bytes(60))
    cat.chmod(0o755)
    with imported(runtime, "liar", place, cat) as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no `cat` that runs" in said


def test_an_image_without_the_python_is_told_of_with_those_that_it_has(
    boxed: Workspace, runtime: ContainerRuntime, tiny_image: str
) -> None:
    name, tag = f"mpforge-pythons-{os.getpid()}", f"mpforge-test-pythons:{os.getpid()}"
    folders = ("/opt/python/cp312-cp312", "/opt/python/cp313-cp313t")
    label = f"{LABEL}=fault"
    words = ("--name", name, "--network", "none", "--label", label, tiny_image)
    runtime.call("run", *words, "mkdir", "-p", *folders)
    runtime.call("commit", name, tag)
    runtime.call("rm", name)
    try:
        build_in(boxed, tag)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
    finally:
        runtime.call("image", "rm", tag)
    assert f"the image {tag} has no Python for cp311" in said
    assert "neither /opt/python/cp311-cp311 nor python3.11 on its PATH" in said
    assert "/opt/python has cp312-cp312 cp313-cp313t" in said


def test_an_image_of_another_platform_and_one_that_is_nowhere_are_told_of(
    boxed: Workspace, request: pytest.FixtureRequest
) -> None:
    build_in(boxed, request.getfixturevalue(f"tiny_{FOREIGN}_image"))
    said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
    assert f", but {NATIVE} needs linux/" in said
    build_in(boxed, f"sha256:{64 * '0'}")
    said = failed(boxed, boxed.mpforge("run", BUILD), "image-unknown", 4)
    assert f"the container runtime has no image sha256:{64 * '0'}" in said
    build_in(boxed, "127.0.0.1:9/none:1")
    said = failed(boxed, boxed.mpforge("run", BUILD), "registry-unreachable", 4)
    assert "127.0.0.1:9" in said


def test_a_misspelt_name_is_told_with_the_one_that_the_runtime_knows(
    boxed: Workspace, runtime: ContainerRuntime, tiny_image: str
) -> None:
    name = f"127.0.0.1:9/mine-{os.getpid()}:1"
    runtime.call("tag", tiny_image, name)
    try:
        build_in(boxed, name.replace("mine", "mien"))
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unknown", 4)
    finally:
        runtime.call("image", "rm", name)
    assert f"-> did you mean {name}?" in said
    assert "the registry 127.0.0.1:9 can't be reached" in said


def test_a_layer_whose_tag_was_moved_is_made_again(
    boxed: Workspace, runtime: ContainerRuntime, native_image: str, tiny_image: str
) -> None:
    mark = f"{os.getpid()}-{boxed.root.parent.name}"
    build_in(boxed, native_image, f'before-all = "echo {mark} > /mark"')
    builds(boxed)
    listed = runtime.call("image", "ls", "mpforge-layer", "--format", "{{.Repository}}:{{.Tag}}")

    def marked(image: str) -> bool:
        words = ("run", "--rm", "--network", "none", image, "sh", "-c", "cat /mark || :")
        return runtime.call(*words) == mark

    (layer,) = filter(marked, listed.split())
    try:
        # One that anybody made of the same image, and one of another image.
        for command in (("commit", made := f"mpforge-moved-{os.getpid()}"), ("tag", tiny_image)):
            if command[0] == "commit":
                runtime.call("create", "--name", made, native_image, "cat")
            runtime.call(*command, layer)
            boxed.write("tiny.c", f"/* {command} */ void *PyInit_tiny(void) {{ return 0; }}\n")
            builds(boxed)
            assert marked(layer)
    finally:
        runtime.call("rm", made)
        runtime.call("image", "rm", layer)


# --- what a step lacks ----------------------------------------------------------------------------


@pytest.mark.parametrize("line", ['"frobnicate --now"', '["frobnicate", "--now"]'])
def test_a_program_that_the_image_lacks_is_named_with_what_puts_it_there(
    boxed: Workspace, native_image: str, line: str
) -> None:
    build_in(boxed, native_image, f"before-build = [{line}]")
    said = failed(boxed, boxed.nox(BUILD), "tool-not-declared")
    assert f"the image {native_image} has no program frobnicate" in said
    assert "-> install it by before-all in [build]" in said
    assert "to [build], which puts it on" not in said


def test_a_declared_tool_must_be_in_the_image_as_it_was_declared(
    boxed: Workspace, native_image: str
) -> None:
    def declare(tools: str) -> None:  # not in the top-level table: those the host has for the sdist
        build_in(boxed, native_image, spec=f"{SPEC}\n[targets.{NATIVE}.build]\ntools = {tools}\n")

    declare('["frobnicate"]')
    said = failed(boxed, boxed.mpforge("run", BUILD), "tool-unavailable", 4)
    assert f"there is no frobnicate in the image {native_image}" in said
    assert "-> install it by before-all in [build]" in said
    declare('["gcc>=99"]')
    said = failed(boxed, boxed.mpforge("run", BUILD), "tool-unavailable", 4)
    assert f"gcc>=99 was declared, but the image {native_image} has gcc 1" in said
    declare('["gcc>=1", "make"]')
    builds(boxed)
    declare('["gcc>=98"]')
    assert boxed.mpforge("run", BUILD).code == 4, "what was built with another one is no hit"


def test_a_program_that_only_the_host_has_is_named_too(
    boxed: Workspace, tiny_image: str, place: Path
) -> None:
    only = place / "bin" / "hostonly"
    only.parent.mkdir()
    only.write_text("#!/bin/sh\n", encoding="utf-8")
    only.chmod(0o755)
    boxed.variables["PATH"] = f"{PROGRAMS}:{only.parent}:{os.environ['PATH']}"
    build_in(boxed, tiny_image, 'before-all = "hostonly"')
    said = failed(boxed, boxed.nox(BUILD), "tool-not-declared")
    assert f"the image {tiny_image} has no program hostonly" in said
    assert "-> name an image that has it in [build] image" in said


ASKS = """
    import sys
    import urllib.request

    try:
        urllib.request.urlopen("http://a.test/x")
    except OSError as error:
        sys.exit(f"fetching http://a.test/x: {error}")
"""


def test_a_build_in_a_container_that_wants_an_address_is_told_how_to_get_the_network(
    boxed: Workspace, native_image: str
) -> None:
    boxed.write("ask.py", ASKS)
    boxed.edit("backend.py", '"tiny.c")', '"tiny.c", "ask.py")')
    build_in(boxed, native_image, 'before-build = ["{python} ask.py"]')
    said = failed(boxed, boxed.nox(BUILD), "network-refused")
    assert "it tried to reach http://a.test/x" in said
    assert "the step has no network; set [build] network = true if it needs one" in said
