"""uv's builds of Python for other machines: find one by name and install exactly that one.

uv's own list of builds (with their hashes) answers for what is downloaded, so its identity is the
build's key and file name; mirrors are taken from uv's own variables. This module does not know what
else such a Python needs to run.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import IndexUnreachable, NoTargetPython
from mpforge.obtain.packages import uv
from mpforge.platforms import Platform

_VARIABLES = frozenset(
    {"UV_PYTHON_INSTALL_MIRROR", "UV_PYPY_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"}
)


@dataclass(frozen=True)
class Download:
    """One build that uv knows: its key, version, and the name of the file (with its build date)."""

    key: str
    version: str
    file: str


def minor_of(python: str) -> str:
    """Return a Python's version: ``cp313t`` → ``3.13``. Raises ``NoTargetPython`` for another word."""
    match = re.fullmatch(r"(?:cp|pp)(\d)(\d+)t?", python)
    if match is None:
        raise NoTargetPython(f"{python!r} is not a Python version")
    return f"{match.group(1)}.{match.group(2)}"


def library(python: str) -> str:
    """Return the name of the library folder and the program: ``python3.13t``, ``pypy3.11``."""
    name = "pypy" if python.startswith("pp") else "python"
    return f"{name}{minor_of(python)}{'t' if python.endswith('t') else ''}"


def request(platform: Platform, python: str) -> str:
    """Return uv's name of a target Python, e.g. ``cpython-3.13t-linux-aarch64-gnu``."""
    implementation = "pypy" if python.startswith("pp") else "cpython"
    suffix = "t" if python.endswith("t") else ""
    return f"{implementation}-{minor_of(python)}{suffix}-linux-{platform.uv_python}"


def parse_list(text: str) -> Download | None:
    """Return the first entry of ``uv python list --output-format json``, the newest one."""
    entries = json.loads(text or "[]")
    if not entries:
        return None
    entry = entries[0]
    file = str(entry.get("url") or "").rsplit("/", 1)[-1]
    return Download(str(entry["key"]), str(entry["version"]), file)


def find(platform: Platform, python: str, *, hint: str) -> Download:
    """Return the newest build of a target Python that this uv offers. Raises ``NoTargetPython``."""
    wanted = request(platform, python)
    options = ["--only-downloads", "--all-platforms", "--output-format", "json"]
    done = uv.uv(["python", "list", "--no-config", *options, wanted], extra=_variables())
    found = parse_list(done.stdout) if done.returncode == 0 else None
    if found is None:
        raise NoTargetPython(
            f"no Python {python} for {platform.name} can be obtained",
            why=uv.explanation(done) or f"this version of uv does not offer {wanted}",
            hint=hint,
        )
    return found


def install(download: Download, home: Path, *, hint: str) -> None:
    """Install exactly ``download`` as ``home``. Raises ``IndexUnreachable``, ``NoTargetPython``."""
    arriving = home.parent / "arriving"
    done = uv.uv(
        ["python", "install", "--no-config", "--no-bin", download.key],
        extra=_variables() | {"UV_PYTHON_INSTALL_DIR": str(arriving)},
    )
    if done.returncode != 0:
        what, why = f"uv could not install {download.key}", uv.explanation(done)
        if uv.failure(done) in {"unreachable", "gone"}:
            mirror = "set UV_PYTHON_INSTALL_MIRROR to a mirror"
            raise IndexUnreachable(what, why=why, hint=f"{mirror}, or {hint}")
        raise NoTargetPython(what, why=why, hint=hint)
    (arriving / download.key).rename(home)
    shutil.rmtree(arriving)


def _variables() -> dict[str, str]:
    """Return uv's variables about its Pythons, which no other call of uv gets."""
    own = {name: value for name, value in os.environ.items() if name in _VARIABLES}
    return own | {"UV_PYTHON_DOWNLOADS": "manual"}
