"""A small package that is built in a container, by a backend that fetches nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import NOXFILE, Cache, Run, Running, Workspace
from tests.images.container_runtime import ContainerRuntime

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
    """An image for this machine, with Python and a compiler."""
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
