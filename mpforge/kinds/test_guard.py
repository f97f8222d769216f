"""Collect evidence from inside a test: each interpreter's machine, and the origin of the package.

A module in the test's site-packages, started by a ``.pth`` file, appends lines to a file: one at each
interpreter's start, and one at its end for every module of the package under test that was imported from
elsewhere (a green test of the checkout beside it proves nothing about the wheel). A child that ends by
``os._exit`` reports its start only. This module does not decide what to do about it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

MODULE = "_mpforge_guard"

# Runs in every interpreter of the tests, on the target's Python: quick, and never in the way.
_SOURCE = '''\
"""Tells mpforge which machine ran, and whether the tested package came from its wheel."""
import atexit
import os
import sys

EVIDENCE = {evidence}
MODULES = frozenset({modules})
HERE = os.path.dirname(os.path.realpath(__file__)) + os.sep


def tell(*words):
    line = "\\t".join([str(os.getpid()), *words]).replace("\\n", " ") + "\\n"
    try:
        descriptor = os.open(EVIDENCE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.write(descriptor, line.encode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)
    except OSError:
        pass


def tell_foreign():
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in MODULES:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and not os.path.realpath(file).startswith(HERE):
                tell("import", name, os.path.realpath(file))


tell("start", os.uname().machine)
atexit.register(tell_foreign)
'''


# QEMU's user emulation makes a fork of vfork, so the C library's posix_spawn(3) does not report a program
# that can't be started: the child ends with 127. Python's fork_exec reports it by a pipe.
_SPAWNING = '''

class _Spawning:
    """Lets subprocess, when it is imported, not use posix_spawn()."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "subprocess":
            return None
        sys.meta_path.remove(_Spawning)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                run = spec.loader.exec_module

                def exec_module(module):
                    run(module)
                    module._USE_POSIX_SPAWN = False

                spec.loader.exec_module = exec_module
                return spec


if "subprocess" in sys.modules:
    sys.modules["subprocess"]._USE_POSIX_SPAWN = False
else:
    sys.meta_path.insert(0, _Spawning)
'''


@dataclass(frozen=True)
class Evidence:
    """Reports of a test's interpreters.

    ``processes`` is how many started, ``machines`` the machines they reported, ``foreign_imports`` (module,
    file) pairs that did not come from the environment's site-packages; both sorted.
    """

    processes: int = 0
    machines: tuple[str, ...] = ()
    foreign_imports: tuple[tuple[str, str], ...] = ()


def write_guard(
    site_packages: Path,
    *,
    evidence: Path,
    modules: tuple[str, ...],
    executable: str | None = None,
    emulated: bool = False,
) -> None:
    """Put the guard into ``site_packages``; ``modules`` are the wheel's top-level names.

    ``evidence`` must be absolute: programs change their working directory. ``executable`` is the program by
    which interpreters are to start others, if not themselves. ``emulated``: they run under QEMU.
    """
    # A JSON string or list is the same in Python.
    text = _SOURCE.format(
        evidence=json.dumps(str(evidence.absolute())), modules=json.dumps(sorted(modules))
    )
    if executable is not None:
        text += f"sys.executable = {json.dumps(executable)}\n"
    if emulated:
        text += _SPAWNING
    (site_packages / f"{MODULE}.py").write_text(text, encoding="utf-8")
    (site_packages / f"{MODULE}.pth").write_text(f"import {MODULE}\n", encoding="utf-8")


def read_evidence(path: Path) -> Evidence:
    """Return the evidence so far; empty if no interpreter has started. Torn lines are skipped."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return Evidence()
    machines: list[str] = []
    foreign: set[tuple[str, str]] = set()
    for line in text.splitlines():
        match line.split("\t"):
            case [_, "start", machine]:
                machines.append(machine)
            case [_, "import", module, file]:
                foreign.add((module, file))
    return Evidence(len(machines), tuple(sorted(set(machines))), tuple(sorted(foreign)))
