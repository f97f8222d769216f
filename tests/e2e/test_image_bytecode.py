"""An emulated Python finds its library compiled, by this host's Python, and takes it as its own."""

import contextlib
import dataclasses
import importlib.util
import marshal
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, cast

import pytest

from mpforge.kinds import image_contents
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.places.containers.container import Container
from mpforge.store.tool_store import ToolStore
from tests.e2e.container_project import new_project
from tests.e2e.workspace import Cache, Workspace
from tests.images.container_runtime import ContainerRuntime

WORD = f"cp3{sys.version_info.minor}"
NAME = f"python3.{sys.version_info.minor}"
BUILD = "build-aarch64-cp311"
COMPILING = "compiling the library of cp311 in the image"
LIBRARY = "/usr/lib/python3.11"
UNCOMPILED = f"find {LIBRARY} -name __pycache__ -prune -exec rm -r {{}} +"
SPEC = """
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["aarch64"]

    [build]
    strategy = "emulate"
    image = "IMAGE"
    policy = "manylinux_2_36"
    before-build = ["python -v -c 'import email.parser, json, re, tempfile, zipfile'"]

    [test]
    strategy = "skip"
"""


@pytest.fixture
def emulated(built: Workspace, place: Path, manylinux_aarch64_image: str) -> Workspace:
    """A project that is built in an image by its own compilers; no library of an image is compiled yet."""
    cache = Cache.lent(built.cache, place / "cache", "zig", "native-", "base-")
    workspace = new_project(place / "project", cache)
    workspace.write("multiplatform.toml", SPEC.replace("IMAGE", manylinux_aarch64_image))
    return workspace


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.emulation
def test_deps_has_the_library_compiled_and_a_build_in_the_image_compiles_none_of_it(
    emulated: Workspace, emulating_runtime: ContainerRuntime
) -> None:
    """The wheel is the same where the build compiles the library itself."""
    deps = emulated.nox("deps-aarch64")
    assert deps.code == 0, str(deps)
    assert COMPILING in deps.output
    again = emulated.nox("deps-aarch64")
    assert "deps-aarch64" in again.cached, "it is a memory"
    built = emulated.nox(BUILD)
    assert built.code == 0, str(built)
    assert COMPILING not in built.output
    log = emulated.log(BUILD)
    for name in ("email/__pycache__/parser", "json/__pycache__/decoder", "re/__pycache__/__init__"):
        assert f"{LIBRARY}/{name}.cpython-311.pyc matches " in log
    sources = f"# code object from {LIBRARY}/"
    compiled = [line for line in log.splitlines() if line.startswith(sources)]
    assert set(compiled) <= {f"{sources}sitecustomize.py"}, "Debian's is a link to /etc"

    wheel = emulated.wheel().read_bytes()
    emulated.edit("multiplatform.toml", "before-build = [", f'before-build = ["{UNCOMPILED}", ')
    run = emulated.nox(BUILD)
    assert BUILD in run.did, str(run)
    assert f"{sources}json/__init__.py" in emulated.log(BUILD)
    assert emulated.wheel().read_bytes() == wheel
    assert emulating_runtime.ours(emulated.cache.root) == []


# --- an image of files alone --------------------------------------------------------------------


class Files:
    """A container that has a library in a directory of this host, and a Python that says two lines."""

    def __init__(self, root: Path, magic: str) -> None:
        self.library = root / "opt" / "lib" / NAME
        self.asked = 0
        self.magic = magic

    def ask(self, argv: Sequence[str], **_: object) -> tuple[int, str]:
        self.asked += 1
        if argv[0] == "/bin/sh":
            return 0, "/opt/bin/python\n"
        return 0, f"{self.magic}\n/opt/lib/{self.library.name}\n"

    def get(self, place: str, destination: Path, *, harmless: bool) -> None:
        assert place == f"/opt/lib/{self.library.name}"
        assert harmless
        shutil.copytree(self.library, destination)


def write(library: Path, name: str, text: str) -> Path:
    path = library / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(1_700_000_001_750_000_000, 1_700_000_001_750_000_000))
    return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(tmp_path, importlib.util.MAGIC_NUMBER.hex())
    write(found.library, "one.py", "def told():\n    return 1\n")
    write(found.library, "two/__init__.py", "")
    write(found.library, "bad.py", "no Python\n")
    write(found.library, "site-packages/other.py", "")
    write(found.library, "own.py", "")
    write(found.library, f"__pycache__/own.{sys.implementation.cache_tag}.pyc", "the image's")
    return found


@pytest.fixture(scope="module")
def host() -> HostPython:
    return host_python.find(WORD, install=False)


def provided(files: Files, host: HostPython, store: Path) -> Path | None:
    @contextlib.contextmanager
    def start() -> Iterator[Container]:
        yield cast("Any", files)

    making = contextlib.nullcontext()
    return image_contents.bytecode("sha256:1", host, ToolStore(store), start, making)


def test_bytecode_has_the_time_and_size_of_the_image_s_sources_and_the_paths_there(
    files: Files, host: HostPython, tmp_path: Path
) -> None:
    archive = provided(files, host, tmp_path / "tools")
    assert archive is not None
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar if member.isreg()}
        tag = sys.implementation.cache_tag
        one, two = f"__pycache__/one.{tag}.pyc", f"two/__pycache__/__init__.{tag}.pyc"
        assert set(members) == {f"opt/lib/{NAME}/{name}" for name in (one, two)}
        assert {(member.uid, member.mode) for member in members.values()} == {(0, 0o644)}
        file = tar.extractfile(f"opt/lib/{NAME}/{one}")
        assert file is not None
        data = file.read()
    source = (files.library / "one.py").stat()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == bytes(4), "it is valid by its source's time and size"
    assert int.from_bytes(data[8:12], "little") == int(source.st_mtime)
    assert int.from_bytes(data[12:16], "little") == source.st_size
    code = marshal.loads(data[16:])
    inner = next(each for each in code.co_consts if isinstance(each, CodeType))
    assert {code.co_filename, inner.co_filename} == {f"/opt/lib/{NAME}/one.py"}


def test_an_image_is_asked_once_for_each_python_of_this_host(
    files: Files, host: HostPython, tmp_path: Path
) -> None:
    archive, asked = provided(files, host, tmp_path / "tools"), files.asked
    assert provided(files, host, tmp_path / "tools") == archive
    assert files.asked == asked
    other = dataclasses.replace(host, digest="another")
    assert provided(files, other, tmp_path / "tools") != archive


def test_a_python_with_another_magic_number_is_given_nothing_and_not_asked_again(
    files: Files, host: HostPython, tmp_path: Path
) -> None:
    files.magic = "0a0d0d0a"
    assert provided(files, host, tmp_path / "tools") is None
    asked = files.asked
    assert provided(files, host, tmp_path / "tools") is None
    assert files.asked == asked


def test_a_library_in_an_odd_place_is_left_alone(
    files: Files, host: HostPython, tmp_path: Path
) -> None:
    files.library = files.library.rename(files.library.with_name("lib.zip"))
    assert provided(files, host, tmp_path / "tools") is None


def test_a_host_python_that_compiles_nothing_is_an_error_and_nothing_is_kept(
    files: Files, host: HostPython, tmp_path: Path
) -> None:
    broken = dataclasses.replace(host, executable=Path("/bin/false"))
    with pytest.raises(OSError, match="can't compile"):
        provided(files, broken, tmp_path / "tools")
    assert list(ToolStore(tmp_path / "tools").trees()) == []
