"""The interpreters of this host: pyenv's, uv's, those on PATH, the one that runs mpforge."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")


def candidates(version: str, suffix: str) -> Iterator[Path]:
    """Yield possible paths of a CPython (``3.13``; ``suffix`` "t": free-threaded), best first."""
    yield from _pyenv(version, suffix)
    yield from managed(version, suffix)
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        for name in (f"python{version}{suffix}", "python3"):
            if directory and os.path.isfile(path := os.path.join(directory, name)):
                yield Path(path)
    yield own_interpreter()


def own_interpreter() -> Path:
    """Return the real path of the interpreter that runs mpforge, never of an environment's link to it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def is_of_system(file: Path) -> bool:
    """Return whether an interpreter, or another file, lies among the system's."""
    return any(file.resolve().is_relative_to(folder) for folder in _SYSTEM)


def is_managed(interpreter: Path) -> bool:
    """Return whether an interpreter is one of uv's own."""
    return interpreter.resolve().is_relative_to(_managed_folder().resolve())


def _pyenv(version: str, suffix: str) -> Iterator[Path]:
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for home in newest_first(Path(root, "versions"), rf"{re.escape(version)}[.-].*"):
        yield home / "bin" / f"python{version}{suffix}"


def managed(version: str, suffix: str) -> Iterator[Path]:
    """Yield uv's own interpreters, from the directory of ``uv python dir`` (by its documented rules)."""
    for home in newest_first(_managed_folder(), rf"cpython-{re.escape(version)}\..*"):
        yield home / "bin" / f"python{version}{suffix}"


def _managed_folder() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path(data, "uv", "python"))


def newest_first(root: Path, pattern: str) -> list[Path]:
    """Return the directories of ``root`` whose name matches, the highest patch version first."""
    try:
        homes = [path for path in root.iterdir() if re.fullmatch(pattern, path.name)]
    except OSError:
        return []

    def patch(path: Path) -> tuple[bool, int, str]:
        match = re.search(r"3\.\d+\.(\d+)(?P<pre>a|b|rc)?", path.name)
        released = match is not None and match["pre"] is None
        return released, int(match[1]) if match else -1, path.name

    return sorted(homes, key=patch, reverse=True)
