"""Ask an image, in a container of it, for its Pythons, its cross compiler, and the headers of a Python.

An image never changes, so each answer is kept in the tool store by the image's id; so is bytecode for the
library of its Python. Knows nothing of steps and views.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import ImageUnfit
from mpforge.formats.tar import tarfile
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython, Interpreter
from mpforge.places.containers.image_root import AnyContainer
from mpforge.platforms import Platform
from mpforge.store.tool_store import ToolStore

Start = Callable[[], AbstractContextManager[AnyContainer]]
"""Opens a container of an image."""

_SHELL = "/bin/sh"
_NOT_STARTED = (126, 127)
# PyPA's images' interpreters first, then those on the image's PATH.
_FIND = """
for path in "/opt/python/$1/bin/python" "$(command -v "$2")"; do
  if [ -x "$path" ]; then readlink -f "$path"; exit 0; fi
done
ls /opt/python 2>/dev/null
exit 1
"""
# The path of CC, and of its companions that no variable names.
_COMPILER = """
set -- $CC
say() { printf '%s=%s\\n' "$1" "$2"; }
say found "$(command -v "$1")"
say machine "$($CC -dumpmachine 2>&1)"
case $1 in
  *gcc) plain=${1%gcc} cxx=${1%gcc}g++ ;;
  *clang) plain=${1%clang}llvm- cxx=$1++ ;;
  *) plain=${CROSS_COMPILE:-$CROSS_TRIPLE-} cxx=${1%cc}c++ ;;
esac
path=$(command -v "$cxx") && say CXX "$path"
for pair in AR:ar RANLIB:ranlib STRIP:strip LD:ld OBJCOPY:objcopy; do
  path=$(command -v "$plain${pair#*:}") && say "${pair%%:*}" "$path"
done
exit 0
"""
# Copies CPython's headers, following links, to a directory each.
_COPY = """
import os, shutil, sys
for number, folder in enumerate(sys.argv[2:]):
    for place, folders, names in os.walk(folder, followlinks=True):
        part = os.path.relpath(place, folder)
        folders[:] = folders if part != "." else [n for n in folders if n in ("cpython", "internal")]
        target = os.path.join(sys.argv[1], str(number), part)
        os.makedirs(target)
        for name in names:
            if name.endswith(".h"):
                shutil.copyfile(os.path.join(place, name), os.path.join(target, name))
"""
_COPIED = "/mpforge/headers"
_FACTS = "facts.json"
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


@dataclass(frozen=True)
class CrossImage:
    """An image that is to compile for ``target`` with its Python of a word.

    ``variables`` are all that programs see there, ``added`` those of them that the image does not set.
    """

    name: str
    id: str
    target: Platform
    python: str
    variables: Mapping[str, str]
    added: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Its digest, by which answers are kept in the tool store."""
        asked = (host_python.PROBE, _FIND, _COMPILER, _COPY)
        words = [self.id, self.target.name, self.python, sorted(self.added.items()), asked]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def interpreter(container: AnyContainer, word: str) -> str:
    """Return the path of a Python in a container. Raises ``ImageUnfit`` if the image has none."""
    tag = f"{word.removesuffix('t')}-{word}"
    name = f"python3.{word.removeprefix('cp3')}"
    code, output = container.ask([_SHELL, "-c", _FIND, "find", tag, name])
    if code in _NOT_STARTED:
        raise ImageUnfit(
            f"the image {container.called} has no shell: {_SHELL} can't be started in it",
            why=output.strip(),
            hint="name another image in [build] image: a build needs a shell and coreutils in it",
        )
    if code:
        has = " ".join(output.split())
        raise ImageUnfit(
            f"the image {container.called} has no Python for {word}",
            why=f"neither /opt/python/{tag} nor {name} on its PATH"
            + (f"; /opt/python has {has}" if has else ""),
            hint="name an image that has it ([build] image, or the toolchain's), or leave this Python out",
        )
    return output.strip()


def seen(wanted: CrossImage, store: ToolStore, start: Start) -> tuple[Interpreter, dict[str, str]]:
    """Return the interpreter that builds, and the variables with those of the compiler's companions.

    ``start`` opens a container of the image. Raises ``ImageUnfit``, and what ``start`` raises.
    """

    def make(folder: Path) -> None:
        with start() as container:
            tools = _compiler(wanted, container)
            answer = _probed(wanted, container)
            includes = answer["includes"]
            folders = [str(path) for path in includes] if isinstance(includes, list) else []
            argv = _plainly(container, str(answer["executable"]), _COPY, _COPIED, *folders)
            code, output = container.ask(argv)
            if code or not folders:
                raise _no_headers(wanted, output)
            container.get(_COPIED, folder / "headers")
        facts = json.dumps({"answer": answer, "tools": tools}, sort_keys=True)
        (folder / _FACTS).write_text(facts, encoding="utf-8")

    name = f"image-{wanted.target.name}-{wanted.python}"
    tree = store.obtain(name=name, version="1", digest=wanted.digest, make=make).path
    facts = json.loads((tree / _FACTS).read_text(encoding="utf-8"))
    answer = facts["answer"]
    count = len(answer["includes"])
    includes = tuple(tree / "headers" / str(number) for number in range(count))
    python = host_python.elsewhere(answer, includes=includes, digest=wanted.digest)
    if python is None:
        raise _no_headers(wanted, "")
    return python, {**facts["tools"], **wanted.variables}


# --- asking -----------------------------------------------------------------------------------


def _compiler(wanted: CrossImage, container: AnyContainer) -> dict[str, str]:
    """Return the compiler's companions by their variables. Raises ``ImageUnfit`` for another machine's."""
    named = wanted.variables.get("CC", "")
    hint = "name an image in [toolchains] that has a cross compiler and sets CC, as dockcross's images do"
    if not named.strip():
        raise ImageUnfit(
            f"the image {wanted.name} has no cross compiler: it sets no CC",
            hint=f"{hint}; or set CC in the toolchain's `environment`",
        )
    # Variables that the shell adds to the image's.
    _, output = container.ask([_SHELL, "-c", _COMPILER], environment=wanted.added)
    compiler = dict(line.partition("=")[::2] for line in output.splitlines() if "=" in line)
    if not compiler.pop("found", ""):
        what = f"the image {wanted.name} has no cross compiler: CC is {named}, which does not exist"
        raise ImageUnfit(what, hint=hint)
    machine = compiler.pop("machine", "")
    if not wanted.target.is_triple(machine):
        raise ImageUnfit(
            f"the compiler of the image {wanted.name} is not for {wanted.target.name}",
            why=f"{named} -dumpmachine says {machine or 'nothing'}, not {wanted.target.gnu_triple}",
            hint=f"name an image with a compiler for {wanted.target.name}, or set the toolchain "
            "only in the [targets] that it is for",
        )
    return compiler


def _probed(wanted: CrossImage, container: AnyContainer) -> dict[str, object]:
    """Return the facts that the image's interpreter reports of itself. Raises ``ImageUnfit``."""
    path = interpreter(container, wanted.python)
    code, output = container.ask(_plainly(container, path, host_python.PROBE))
    try:
        answer = json.loads(output) if code == 0 else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or host_python.word_of(answer) != wanted.python:
        raise ImageUnfit(
            f"{path} of the image {wanted.name} is not a working Python for {wanted.python}",
            why=output.strip()[-500:] or None,
        )
    return answer


def _plainly(container: AnyContainer, python: str, *arguments: str) -> list[str]:
    """Return the command for an interpreter, without the image variables that describe the target."""
    without = [name for name in container.environment if "PYTHON" in name]
    given = [word for name in without for word in ("-u", name)]
    return ["env", *given, python, "-I", "-S", "-c", *arguments]


def _no_headers(wanted: CrossImage, output: str) -> ImageUnfit:
    return ImageUnfit(
        f"the image {wanted.name} has no headers (Python.h) of its Python for {wanted.python}",
        why=output.strip()[-500:] or None,
        hint="install them by before-all",
    )


def pkg_config_directories(variables: Mapping[str, str], platform: Platform) -> str:
    """Return an image's PKG_CONFIG_LIBDIR: the directories of the target's ``.pc`` files only."""
    triple = variables.get("CROSS_TRIPLE", platform.gnu_triple)
    root = variables.get("CROSS_ROOT", "").rstrip("/")
    below = (f"{root}/lib", f"{root}/usr/lib", f"{root}/usr/share") if root else ()
    folders = (*below, *(f"/usr/lib/{name}" for name in {triple: 0, platform.gnu_triple: 0}))
    return ":".join(f"{folder}/pkgconfig" for folder in folders)


# --- bytecode ---------------------------------------------------------------------------------


def bytecode(
    image: str,
    host: HostPython,
    store: ToolStore,
    start: Start,
    making: AbstractContextManager[None],
) -> Path | None:
    """Return an archive for a container's root: bytecode for the Python of an image (its id) like ``host``.

    Images have no bytecode, so an emulated Python compiles its imports anew in each container, which costs
    more than the hook that it then runs. Python itself decides whether to use bytecode: a file with another
    magic number, or another time or size of its source than in the image, is compiled there as usual.
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


def _about(container: AnyContainer, word: str) -> tuple[str, str] | None:
    """Return the magic number and library path of a container's Python; None for an unusual one."""
    path = interpreter(container, word)
    # Bytecode that it writes itself would be taken for the image's.
    code, output = container.ask([path, "-I", "-S", "-B", "-c", _ABOUT])
    magic, _, library = output.strip().partition("\n")
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
