"""Compile the standard library of an image's Python with this host's Python of the same version.

Images have no bytecode, so an emulated Python compiles its imports anew in each container, which costs more
than the hook that it then runs. Python itself decides whether to use bytecode: a file with another magic
number, or another time or size of its source than in the image, is compiled there as usual. Knows nothing of
steps.
"""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge import processes
from mpforge.kinds import image_contents
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.places.containers.container import Container
from mpforge.store.tool_store import ToolStore

_ABOUT = """
import importlib.util, os
print(importlib.util.MAGIC_NUMBER.hex())
print(os.path.realpath(os.path.dirname(os.__file__)))
"""
# Nothing is compiled for another magic number. Files that are not valid Python (templates) are skipped.
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
    start: Callable[[], AbstractContextManager[Container]],
    making: AbstractContextManager[None],
) -> Path | None:
    """Return an archive for a container's root: bytecode for the Python of an image (its id) like ``host``.

    ``start`` opens a container of the image, ``making`` is entered for the work. None: that Python can't use
    this host's bytecode, or needs none. Raises ``ImageUnfit``, ``OSError``, and what ``start`` and copying
    raise.
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


def _about(container: Container, word: str) -> tuple[str, str] | None:
    """Return the magic number and library path of a container's Python; None for an unusual one."""
    path = image_contents.interpreter(container, word)
    # Bytecode that it writes itself would be taken for the image's.
    code, said = container.ask([path, "-I", "-S", "-B", "-c", _ABOUT])
    magic, _, library = said.strip().partition("\n")
    is_library = library.endswith(f"/python3.{word.removeprefix('cp3')}")
    return (magic, library) if code == 0 and is_library else None


def _compiled(library: Path, host: HostPython, magic: str, place: str) -> list[Path]:
    """Compile a library copied from ``place``; return the bytecode files that it did not have."""
    for name in _NO_BUILD_IMPORTS:
        shutil.rmtree(library / name, ignore_errors=True)
    there = set(library.rglob("*.pyc"))
    argv = [str(host.executable), "-I", "-S", "-c", _COMPILE, magic, str(library), place]
    done = processes.capture(argv, environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        raise OSError(f"{host.executable} can't compile it: {done.stderr.strip()}")
    return sorted(set(library.rglob("*.pyc")) - there)


def _pack(archive: Path, library: Path, made: list[Path], place: str) -> None:
    """Pack files of a library under the names that they have in the image."""

    def bare(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mode, entry.mtime = 0o755 if entry.isdir() else 0o644, 0
        entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
        return entry

    with tarfile.open(archive, "w") as tar:
        for path in [*sorted({path.parent for path in made}), *made]:
            name = f"{place.strip('/')}/{path.relative_to(library).as_posix()}"
            tar.add(path, name, recursive=False, filter=bare)
