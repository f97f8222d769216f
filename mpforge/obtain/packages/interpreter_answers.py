"""Let uv see an interpreter of another machine or policy: a host's one, with the target's answers.

uv has words (``--python-platform``) for some machines only. It asks an interpreter for its markers, tags and
directories, by a script that prints JSON; so a program that runs the host's interpreter and replaces some of
its answers serves for every platform. uv does not cache them: the answer names the host's executable.
"""

import contextlib
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpforge.platforms import MUSL, Platform, policy_version, python_words

# Runs on every Python 3. Answers to other questions than uv's, and failures, pass as they are.
_PROGRAM = """\
import json, subprocess, sys
def replaced(old, new):
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: replaced(old.get(name), value) for name, value in new.items()}}
answers, *command = sys.argv[1:]
done = subprocess.run(command, stdout=subprocess.PIPE)
text = done.stdout
try:
    told = json.loads(text)
    if told["result"] == "success":
        text = json.dumps(replaced(told, json.loads(answers))).encode()
except (ValueError, KeyError, TypeError):
    pass
sys.stdout.buffer.write(text)
sys.exit(done.returncode)
"""


@contextlib.contextmanager
def interpreter_for(
    python: str,
    system: tuple[Platform, str] | None,
    host_python: Path | None = None,
    *,
    builds: bool = False,
) -> Iterator[Path]:
    """Write a program that answers uv as ``python`` (``cp311``) does on a system of exactly that policy.

    Without a ``system`` the machine is this one, as ``host_python`` sees it; that interpreter runs below,
    by default the one that runs mpforge. Its version is the host's: uv is also told ``--python-version``.
    With ``builds`` it keeps the host's directories: uv makes environments of it, to ask sdists for their
    requirements, and what it installs there is found only where the host's interpreter looks.
    """
    directories = {} if builds else _directories(python)
    answers = json.dumps(directories | (_machine(*system, python) if system else {}))
    below = str(host_python or sys.executable)
    command = shlex.join([below, "-I", "-S", "-c", _PROGRAM, answers, below])
    with tempfile.TemporaryDirectory(prefix="mpforge-python-") as folder:
        program = Path(folder) / "python"
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        yield program


def _directories(python: str) -> dict[str, Any]:
    """Return the directories below a prefix; an interpreter may say ``lib64``, or another version's."""
    site = f"lib/{python_words.parse(python).program}/site-packages"
    return {"virtualenv": {"purelib": site, "platlib": site}}


def _machine(platform: Platform, policy: str, python: str) -> dict[str, Any]:
    """Return the facts about the machine in the format of uv's get_interpreter_info.py.

    Older versions of uv read ``os`` and ``arch`` from a table ``platform``.
    """
    major, minor = policy_version(policy)
    libc = "musllinux" if platform.libc is MUSL else "manylinux"
    machine = {
        "os": {"name": libc, "major": major, "minor": minor},
        "arch": platform.machine,
    }
    word = python_words.parse(python)
    unknown = {"platform_release": "", "platform_version": ""}
    # The ABI that uv takes from PyPy's version; CPython's is the language's.
    abi = {"implementation_version": "7.3.0"} if word.is_pypy else {}
    implementation = {
        **abi,
        "implementation_name": word.implementation,
        "platform_python_implementation": word.name,
    }
    return {
        **machine,
        "platform": machine,
        "markers": {"platform_machine": platform.machine, **unknown, **implementation},
        "pointer_size": str(platform.bits),
        "gil_disabled": word.threaded,
    }
