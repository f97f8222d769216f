"""cibuildwheel as containers.py sets it beside mpforge: installed, given an image of the tests, run, counted.

Knows nothing of how mpforge builds.
"""

import ast
import contextlib
import io
import os
import sys
import tarfile
import threading
import time
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge import processes
from mpforge.errors import RuntimeLost, RuntimeRefuses
from mpforge.places.containers.connection import speaking

if TYPE_CHECKING:
    from mpforge.places.containers.connection import ContainerRuntime

REQUIREMENT = "cibuildwheel==4.3.*"
PYTHON = "cp311"
_IMAGE = ("mpforge-bench", "cibuildwheel-aarch64")
_FOLDER = "opt/python"
_UTILITY = "cp39-cp39"
"""Where cibuildwheel looks for the Python of its own that is to be in an image."""
_LABEL = "mpforge-bench"
_OF_INDEX = ("index-url", "extra-index-url", "proxy", "trusted-host")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Built:
    """A build: CPU seconds of its programs on the host, and in its container; the wheel."""

    host: float
    container: float
    wheel: Path

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all of it."""
        return self.host + self.container


def provide(folder: Path) -> Path:
    """cibuildwheel in an environment of its own, made unless it is there; its program."""
    program = folder / "bin" / "cibuildwheel"
    if not program.exists():
        venv.create(folder, with_pip=True, clear=True)
        argv = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT]
        ran = processes.capture(argv)
        if ran.returncode:
            sys.exit(f"{REQUIREMENT} can't be installed:\n{ran.stderr}")
    return program


def image_for(runtime: "ContainerRuntime", image: str, folder: Path) -> str:
    """An image with what cibuildwheel looks for, as PyPA's have it; its name.

    That is a Python of its own, here the image's CPython 3.11, and uv, which is fetched to ``folder``.
    """
    api = runtime.client.api
    made = api.create_container(image, ["/bin/sh"])["Id"]
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            link = tarfile.TarInfo(f"{_FOLDER}/{_UTILITY}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, f"{PYTHON}-{PYTHON}", 0o777
            tar.addfile(link)
            program = _uv(folder)
            entry = tarfile.TarInfo("usr/local/bin/uv")
            entry.size, entry.mode = len(program), 0o755
            tar.addfile(entry, io.BytesIO(program))
        api.put_archive(made, "/", packed.getvalue())
        api.commit(made, *_IMAGE)
    finally:
        api.remove_container(made, force=True)
    return ":".join(_IMAGE)


def _uv(folder: Path) -> bytes:
    """uv, as a program of the target."""
    if not folder.exists():
        tags = ("--platform", "manylinux_2_17_aarch64", "--only-binary", ":all:", "--no-deps")
        argv = [sys.executable, "-m", "pip", "download", *tags, "--dest", str(folder), "uv"]
        ran = processes.capture(argv)
        if ran.returncode:
            sys.exit(f"uv can't be fetched:\n{ran.stderr}")
    (wheel,) = folder.glob("uv-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/scripts/uv"))
        return archive.read(name)


def index_variables() -> dict[str, str]:
    """Where pip on this host finds packages, as variables; what lies on its disk is left out."""
    told = processes.capture([sys.executable, "-m", "pip", "config", "list"]).stdout
    found = {}
    for line in told.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        words = str(ast.literal_eval(value)).split()
        kept = [word for word in words if not word.startswith("file:")]
        if key in _OF_INDEX and kept:
            found[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(kept)
    return found | {name: os.environ[name] for name in _PROXIES if name in os.environ}


def build(
    program: Path,
    runtime: "ContainerRuntime",
    *,
    frontend: str,
    image: str,
    source: Path,
    output: Path,
) -> Built:
    """Build a wheel for aarch64 of an unpacked sdist; it has no tests. Exits where that fails."""
    passed, mark = index_variables(), f"{_LABEL}={os.getpid()}"
    create = f"--network={'bridge' if runtime.bridged else 'host'} --label={mark}"
    chosen = {
        "CIBW_PLATFORM": "linux",
        "CIBW_ARCHS": "aarch64",
        "CIBW_BUILD_FRONTEND": frontend,
        "CIBW_BUILD": f"{PYTHON}-manylinux_aarch64",
        "CIBW_MANYLINUX_AARCH64_IMAGE": image,
        "CIBW_CONTAINER_ENGINE": f"docker; create_args: {create}; disable_host_mount: true",
        "CIBW_ENVIRONMENT_PASS_LINUX": " ".join(passed),
    }
    argv = [str(program), "--output-dir", str(output), str(source)]
    printed = output.with_name(f"{output.name}.log")
    with printed.open("wb") as log, _counted(runtime, mark) as used:
        environment = {**os.environ, **passed, **chosen}
        ended = processes.run(argv, environment=environment, cwd=source, log=log)
    wheels = [*output.glob("*.whl")]
    if ended.returncode or len(wheels) != 1:
        sys.exit(f"cibuildwheel failed:\n{printed.read_text('utf-8', 'replace')[-3000:]}")
    return Built(ended.cpu_seconds, sum(used.values()), wheels[0])


@contextlib.contextmanager
def _counted(runtime: "ContainerRuntime", mark: str) -> Iterator[dict[str, float]]:
    """The CPU seconds of containers with a label by their ids, but for the last tenths of a second.

    They are gone with the programs in them, so the runtime is asked again and again.
    """
    used: dict[str, float] = {}
    over = threading.Event()

    def look() -> None:
        api = runtime.client.api
        while not over.is_set():
            with contextlib.suppress(RuntimeLost, RuntimeRefuses), speaking("count CPU seconds"):
                for found in api.containers(filters={"label": mark}):
                    told = api.stats(found["Id"], stream=False, one_shot=True)
                    nanoseconds = told["cpu_stats"]["cpu_usage"].get("total_usage", 0)
                    used[found["Id"]] = max(used.get(found["Id"], 0.0), nanoseconds / 1e9)
            time.sleep(_EVERY_SECONDS)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield used
    finally:
        over.set()
        thread.join()
