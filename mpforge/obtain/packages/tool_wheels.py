"""Programs in wheels (cmake, ninja, ...), from pinned packages, each in a tree of its own.

An interpreter of mpforge's own version starts them, without the variables of a step: a build's PYTHONPATH
would show the target to Python programs. Knows nothing of their callers.
"""

import hashlib
import os
import sys
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.obtain.packages.installation import install_venv
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.pythons.virtual_environments import make_skeleton
from mpforge.plan.pins import EnvironmentPin
from mpforge.store.tool_store import ToolStore

_ELF = b"\x7fELF"
_STARTER = """\
#!/bin/sh
here=$(dirname -- "$(realpath -- "$0")")
exec "$here/../env/bin/python" -I -B "$here/../env/bin/{name}" "$@"
"""


def digest_of(pin: EnvironmentPin, python: Path) -> str:
    """Return the identity of a tree: the packages' hashes, their interpreter and how it starts them."""
    hashes = [value for package in pin.packages for value in package.hashes]
    words = [*hashes, str(python), sys.version, _STARTER]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def find(pin: EnvironmentPin, store: ToolStore, python: Path) -> Path | None:
    """Return the directory for PATH if it was made already, else None."""
    found = store.find(pin.packages[0].name, digest_of(pin, python))
    return None if found is None else found.path / "bin"


def provide(pin: EnvironmentPin, store: ToolStore, index: Index, python: Path) -> Path:
    """Return the directory for PATH of the programs in the pinned packages, which ``python`` starts.

    Raises the errors of installing, and ``ToolUnavailable`` if they contain no program.
    """
    package = pin.packages[0]

    def make(folder: Path) -> None:
        environment = folder / "env"
        own = _installed(pin, environment, index, python)
        if not own:
            raise ToolUnavailable(
                f"{package.name} {package.version} contains no program",
                hint="name another version in [build] tools",
            )
        (folder / "bin").mkdir()
        for name in own:
            _start(environment / "bin" / name, folder / "bin" / name)

    made = store.obtain(
        name=package.name, version=package.version, digest=digest_of(pin, python), make=make
    )
    return made.path / "bin"


def _installed(pin: EnvironmentPin, environment: Path, index: Index, python: Path) -> list[str]:
    """Install the packages; return the programs that they put into ``bin``."""
    make_skeleton(python, environment)
    before = os.listdir(environment / "bin")
    install_venv(pin, python=python, dest=environment, index=index)
    return sorted({*os.listdir(environment / "bin")}.difference(before))


def _start(program: Path, place: Path) -> None:
    with program.open("rb") as file:
        native = file.read(len(_ELF)) == _ELF
    if native:
        place.symlink_to(Path("..", "env", "bin", program.name))
    else:
        place.write_text(_STARTER.format(name=program.name), encoding="utf-8")
        place.chmod(0o755)
