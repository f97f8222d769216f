"""Native programs for a container whose own are emulated: the names of the compilers, and a shell.

Each start of an emulated program costs as much as a small compilation. So a compiler's name is a static
program of this machine, and the shell that runs its text is this host's, with its loader and libraries.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge import processes
from mpforge.errors import ToolUnavailable
from mpforge.platforms import Platform
from mpforge.store.tool_store import ToolStore
from mpforge.toolchains.ready import digest
from mpforge.toolchains.templates import template
from mpforge.toolchains.zig import Zig

NATIVE, VIEW, BIN = "/mpforge/native", "/mpforge/view", "/mpforge/bin"
"""The places in a container of the shell, the view, and the programs that are called."""

NAMES = ("cc", "c++", "gcc", "g++", "clang", "clang++", "ar", "ranlib", "strip", "objcopy", "ld")
_SOURCE = "launcher.c"
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_SECONDS = 120
_FREESTANDING = (
    *("-ffreestanding", "-nostdlib", "-static", "-Os", "-s"),
    *("-fno-stack-protector", "-fno-sanitize=all", "-fno-builtin"),
)


def provide(
    zig: Zig, host: Platform, store: ToolStore, making: AbstractContextManager[None]
) -> Path:
    """Return a directory with ``native`` and ``bin``, for a container's /mpforge.

    ``making`` is the context of the work. Raises ``ToolUnavailable``.
    """
    files = _shell()

    def make(folder: Path) -> None:
        (folder / "native").mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / "native" / name)
            (folder / "native" / name).chmod(0o755)
        with making:
            _compile(zig, host, folder / "native" / "launcher")
        (folder / "bin").mkdir()
        for name in NAMES:
            (folder / "bin" / name).symlink_to(f"{NATIVE}/launcher")

    return store.obtain(name="native", version="1", digest=_digest(zig, files), make=make).path


def parts(zig_digest: str) -> dict[str, str]:
    """Return its ingredients of a key."""
    return {"native": digest(f"{zig_digest} {template(_SOURCE)}")}


def _digest(zig: Zig, files: Mapping[str, Path]) -> str:
    texts = [zig.digest, template(_SOURCE), NATIVE, VIEW, *NAMES, *_FREESTANDING]
    for name, path in sorted(files.items()):
        texts += [name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return digest(*texts)


def _shell() -> dict[str, Path]:
    """Return this host's shell, loader and libraries by their names in the container."""
    from elftools.elf.elffile import ELFFile

    shell = Path(os.path.realpath("/bin/sh"))
    with shell.open("rb") as file:
        loader = ELFFile(file).get_section_by_name(".interp")
        name = loader.data().rstrip(b"\0").decode() if loader is not None else ""
    if not name:
        raise ToolUnavailable(f"{shell} is not a dynamically linked program")
    told = processes.capture([name, "--list", str(shell)], environment={}, brief=True)
    libraries = (Path(path) for path in _LIBRARY.findall(told.stdout))
    found = {path.name: path for path in libraries if path.name != Path(name).name}
    return {"sh": shell, "ld.so": Path(name), **found}


def _compile(zig: Zig, host: Platform, output: Path) -> None:
    """Compile the static launcher for the machine that builds."""
    triple = host.zig_triple.replace("-gnu", "-none")
    with tempfile.TemporaryDirectory(prefix="mpforge-launcher-") as name:
        work = Path(name)
        (work / _SOURCE).write_text(template(_SOURCE), encoding="utf-8")
        places = (f'-DMPFORGE_NATIVE="{NATIVE}"', f'-DMPFORGE_VIEW="{VIEW}"')
        flags = ("-target", triple, *_FREESTANDING, *places)
        environment = {
            "PATH": os.defpath,
            "ZIG_GLOBAL_CACHE_DIR": str(work / "global"),
            "ZIG_LOCAL_CACHE_DIR": str(work / "local"),
        }
        argv = [str(zig.path), "cc", *flags, "-o", str(output), _SOURCE]
        answer = processes.capture(argv, environment=environment, cwd=work, timeout=_SECONDS)
    if answer.returncode != 0:
        raise ToolUnavailable(
            f"zig {zig.version} can't make a launcher for {triple}", why=answer.stderr[-2000:]
        )
