"""A target Python at a path that the environment gives: a root directory, or an interpreter in one."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mpforge.errors import NoTargetPython
from mpforge.obtain.pythons.given_program import require_program_of
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted, path_variable
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import python_words
from mpforge.store.files import digest_of_files


class PathPython:
    """The Python that ``MPFORGE_TARGET_PYTHON_<TARGET>_<PYTHON>`` names."""

    name = "path"

    def lack(self, wanted: Wanted) -> str | None:
        """Return that the variable is not set."""
        variable = path_variable(wanted.platform, wanted.python)
        return None if os.environ.get(variable) else f"{variable} is not set"

    def origin(self, wanted: Wanted) -> str:
        """Return the variable and its value."""
        variable = path_variable(wanted.platform, wanted.python)
        return f"{variable}={os.environ[variable]}"

    def requests(self, _wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return no requests: it is there."""
        return ()

    def parts(self, wanted: Wanted, _pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the digest of its files. Raises ``NoTargetPython`` if there is none."""
        return {"target-python": f"path {_given(wanted).digest}"}

    def provide(self, wanted: Wanted, _supplies: Supplies) -> TargetPython:
        """Return the Python that is there. Raises ``NoTargetPython`` if there is none."""
        return _given(wanted)


def _given(wanted: Wanted) -> TargetPython:
    variable = path_variable(wanted.platform, wanted.python)
    path = Path(os.environ[variable]).absolute()
    name = python_words.parse(wanted.python).program
    executable = _interpreter(path, name)
    if executable is None:
        raise NoTargetPython(
            f"{path} ({variable}) has no {name}",
            hint=f"set it to a root directory with bin/{name}, or to an interpreter in one",
        )
    require_program_of(wanted.platform, executable, variable=variable)
    sysroot = path if path.is_dir() else root_of(executable)
    expected, found = python_words.parse(wanted.python).version, _versions(executable)
    own = [version for version in found if version.startswith(f"{expected}.")]
    if found and not own:
        raise NoTargetPython(
            f"{executable} ({variable}) is Python {found[0]}, not {expected}",
            hint=f"set it to a Python {expected} for {wanted.platform.gnu_triple}",
        )
    version = own[0] if own else re.sub(r"^[a-z]+", "", name)
    return TargetPython(
        wanted.python, version, sysroot, executable, _digest(executable, sysroot, name), "path"
    )


def _interpreter(path: Path, name: str) -> Path | None:
    if path.is_file():
        return path
    for folder in ("usr/bin", "usr/local/bin", "bin", f"opt/{name}/bin", "opt/python/bin"):
        candidate = path / folder / name
        if candidate.is_file():
            return candidate
    return None


def root_of(executable: Path) -> Path:
    """Return an interpreter's root directory: the nearest one above it with a loader."""
    for parent in executable.parents:
        for folder in ("lib", "lib64", "usr/lib"):
            if any((parent / folder).glob("ld-*.so*")):
                return parent
    return executable.parent.parent


def _digest(executable: Path, sysroot: Path, name: str) -> str:
    """Return the digest of an interpreter: of its bytes and all of its files."""
    library = executable.parent.parent / "lib" / name
    files = sorted({executable, *_identifying(executable.parent.parent, sysroot, library)})
    return digest_of_files((os.path.relpath(file, sysroot), file) for file in files)


def _identifying(prefix: Path, sysroot: Path, library: Path) -> Iterator[Path]:
    for root in dict.fromkeys((prefix / "lib", sysroot / "lib", sysroot / "usr/lib")):
        for pattern in ("ld-*.so*", "libpython*.so*", "*/ld-*.so*", "*/libc.so*"):
            yield from (file for file in root.glob(pattern) if file.is_file())
    for pattern in ("**/*.py", "lib-dynload/*"):
        yield from (file for file in library.glob(pattern) if file.is_file())


def _versions(executable: Path) -> list[str]:
    """Return what may be the version (``3.11.2``) in an executable or its libpython, without running it.

    Libraries that are linked into it have such texts too; SQLite's and OpenSSL's minor versions are others.
    """
    prefix = executable.parent.parent
    return [
        match.group(1).decode()
        for file in (executable, *sorted(prefix.glob("lib/**/libpython3.*.so*")))
        for match in re.finditer(rb"\0(3\.(?:[6-9]|1\d)\.\d+[a-z0-9+]*)(?=\0)", file.read_bytes())
    ]
