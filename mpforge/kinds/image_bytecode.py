"""The standard library of an image's Python as bytecode, compiled by this host's Python of the same word.

Images have none, so an emulated Python compiles what it imports anew in each container, which costs more
than the hook that it then runs. Whether bytecode serves is Python's own judgement: what does not have its
magic number, or another time or size of a source than the image has, is compiled there as ever. Knows
nothing of steps.
"""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge import processes
from mpforge.kinds import image_contents
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.store.tool_store import ToolStore

if TYPE_CHECKING:
    from mpforge.places.containers.container import Container

_ABOUT = """
import importlib.util, os
print(importlib.util.MAGIC_NUMBER.hex())
print(os.path.realpath(os.path.dirname(os.__file__)))
"""
# Nothing is compiled for another magic number. What is no valid Python (a template) is passed by.
_COMPILE = """
import compileall, importlib.util, py_compile, sys
magic, folder, called = sys.argv[1:]
if importlib.util.MAGIC_NUMBER.hex() == magic:
    by_time = py_compile.PycInvalidationMode.TIMESTAMP
    compileall.compile_dir(folder, ddir=called, quiet=2, invalidation_mode=by_time)
"""
_NO_BUILD_IMPORTS = (
    *("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "pydoc_data", "ensurepip"),
    *("site-packages", "dist-packages"),
)
_ARCHIVE = "bytecode.tar"


def provide(
    image: str,
    host: HostPython,
    store: ToolStore,
    start: "Callable[[], AbstractContextManager[Container]]",
    making: AbstractContextManager[None],
) -> Path | None:
    """An archive for a container's root: bytecode for the Python of an image (its id) of ``host``'s word.

    ``start`` gives a container of the image, ``making`` goes round the work. None: that Python takes none
    of this host's, or needs none. Raises ``ImageUnfit``, ``OSError``, and what ``start`` and copying raise.
    """

    def make(folder: Path) -> None:
        with making, start() as container:
            found = _about(container, host.python)
            if found is None:
                return
            magic, place = found
            library = folder / "library"
            container.get(place, library, harmless=True)
            made = _compiled(library, host, magic, place)
        if made:
            _pack(folder / _ARCHIVE, library, made, place)
        shutil.rmtree(library)

    words = [image, host.python, host.digest, _ABOUT, _COMPILE, _NO_BUILD_IMPORTS]
    digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()
    name = f"bytecode-{host.python}"
    tree = store.obtain(name=name, version=host.version, digest=digest, make=make).path
    return tree / _ARCHIVE if (tree / _ARCHIVE).exists() else None


def _about(container: "Container", word: str) -> tuple[str, str] | None:
    """The magic number of a container's Python and where its library is; None for an odd one."""
    path = image_contents.interpreter(container, word)
    # What it writes of its own would be taken for what the image has.
    code, said = container.ask([path, "-I", "-S", "-B", "-c", _ABOUT])
    magic, _, library = said.strip().partition("\n")
    is_library = library.endswith(f"/python3.{word.removeprefix('cp3')}")
    return (magic, library) if code == 0 and is_library else None


def _compiled(library: Path, host: HostPython, magic: str, place: str) -> list[Path]:
    """The bytecode of a library that was copied from ``place``: the files that it did not have."""
    for name in _NO_BUILD_IMPORTS:
        shutil.rmtree(library / name, ignore_errors=True)
    there = set(library.rglob("*.pyc"))
    argv = [str(host.executable), "-I", "-S", "-c", _COMPILE, magic, str(library), place]
    done = processes.capture(argv, environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        raise OSError(f"{host.executable} can't compile it: {done.stderr.strip()}")
    return sorted(set(library.rglob("*.pyc")) - there)


def _pack(archive: Path, library: Path, made: list[Path], place: str) -> None:
    """Pack files of a library by the names that they have in the image."""

    def entry(path: Path) -> tarfile.TarInfo:
        return tarfile.TarInfo(f"{place.strip('/')}/{path.relative_to(library).as_posix()}")

    with tarfile.open(archive, "w") as tar:
        for folder in sorted({path.parent for path in made}):
            directory = entry(folder)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(directory)
        for path in made:
            module = entry(path)
            module.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(module, file)
