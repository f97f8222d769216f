"""Compile a target Python's standard library once, on the host: emulated starts are then faster."""

from pathlib import Path

from mpforge import processes
from mpforge.errors import NoTargetPython


def compile_library(host_python: str | None, tree: Path, library: Path) -> None:
    """Compile ``library``, below ``tree``, with a host CPython of the same minor version, if there is one.

    ``unchecked-hash``, because the sources never change and their times mean nothing here.
    """
    if host_python is None:
        return
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/"]
    options += ["-x", r"/(lib2to3/tests|test|idlelib|turtledemo)/"]
    argv = [host_python, "-I", "-S", "-m", "compileall", *options, str(library)]
    # Its exit status also counts deliberately bad test data, so the result is checked instead.
    done = processes.capture(argv)
    # It has the bytecode of the same version with a GIL, under the same name.
    tag = library.name.removeprefix("python").replace(".", "").rstrip("t")
    if not any((library / "__pycache__").glob(f"os.*-{tag}*.pyc")):
        why = done.stderr.strip() or f"it writes no .pyc files for python{tag}"
        raise NoTargetPython(f"{host_python} can't compile the target's library", why=why)
