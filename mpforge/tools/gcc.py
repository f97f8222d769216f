"""The host's own gcc as a toolchain for native builds.

Its identity is what it says of itself and the digests of what it is made of: cc1, as, ld, libgcc, the crt
files and libc (docs/design.md 3). Knows nothing of targets: it builds for this host.
"""

import functools
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.processes import capture

_PROGRAMS = ("cc1", "cc1plus", "as", "ld")
_FILES = ("libgcc.a", "crt1.o", "crti.o", "crtbeginS.o", "libc.so.6", "libstdc++.so")


@dataclass(frozen=True)
class Gcc:
    """A gcc: its programs by variable (CC, CXX, AR …), and the named parts of its identity."""

    programs: Mapping[str, str]
    parts: Mapping[str, str]


@functools.cache
def find() -> Gcc:
    """The gcc on PATH. Raises ``ToolUnavailable``."""
    path = os.environ.get("PATH", os.defpath)
    programs = {}
    names = {"CC": "gcc", "CXX": "g++", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip"}
    for variable, name in {**names, "LD": "ld", "AS": "as"}.items():
        found = shutil.which(name, path=path)
        if found is None and variable != "CXX":
            raise ToolUnavailable(
                f"toolchain = 'gcc' and there is no {name} on PATH",
                hint="install it (on Debian: apt-get install build-essential), or use zig",
            )
        if found is not None:
            programs[variable] = found
    gcc = programs["CC"]
    parts = {"gcc.machine": capture([gcc, "-dumpmachine"]).stdout.strip()}
    parts["gcc.version"] = capture([gcc, "-v"]).stderr.strip().splitlines()[-1]
    for option, kind in (("prog", _PROGRAMS), ("file", _FILES)):
        for name in kind:
            answer = capture([gcc, f"-print-{option}-name={name}"]).stdout.strip()
            place = Path(shutil.which(answer, path=path) or answer)
            if place.is_file():
                with place.open("rb") as file:
                    parts[f"gcc.{name}"] = hashlib.file_digest(file, "sha256").hexdigest()
    return Gcc(programs, parts)
