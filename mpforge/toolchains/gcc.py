"""The host's own gcc as a toolchain for native builds.

Its identity is what it says of itself and the digests of what it is made of: drivers, cc1, as, ld, libgcc,
the crt files and libc (docs/design.md 3). Knows nothing of targets: it builds for this host.
"""

import functools
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.obtain import host_programs
from mpforge.processes import capture

_DRIVERS = {"CC": "gcc", "CXX": "g++", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip"}
_PROGRAMS = ("cc1", "cc1plus", "collect2", "lto1", "as", "ld")
_FILES = (
    *("libgcc.a", "libgcc_s.so.1", "crt1.o", "Scrt1.o", "crti.o", "crtn.o", "crtbegin.o"),
    *("crtbeginS.o", "crtend.o", "crtendS.o", "libc.so.6", "libc_nonshared.a", "libm.so.6"),
    *("libstdc++.so", "libstdc++.a"),
)


# What it reads of the host is noted (``hostreads``). It writes the step's directory into debug information,
# __FILE__ and assert: say `.` for it.
WRAPPER = """#!/bin/sh
if [ -n "${{MPFORGE_READS:-}}" ]; then
	export LD_PRELOAD="$MPFORGE_READS_LIBRARY${{LD_PRELOAD:+:$LD_PRELOAD}}"
fi
exec {place} "-ffile-prefix-map=${{MPFORGE_STEP_DIR:?}}=." "$@"
"""


@dataclass(frozen=True)
class Gcc:
    """A gcc: its programs by variable (CC, CXX, AR …), and the named parts of its identity."""

    programs: Mapping[str, str]
    parts: Mapping[str, str]


@functools.cache
def find(remembered: Path) -> Gcc:
    """The gcc on PATH; ``remembered`` keeps digests (``hostprograms``). Raises ``ToolUnavailable``."""
    path = os.environ.get("PATH", os.defpath)
    programs = {}
    for variable, name in {**_DRIVERS, "LD": "ld", "AS": "as"}.items():
        found = shutil.which(name, path=path)
        if found is None and variable != "CXX":
            raise ToolUnavailable(
                f"toolchain = 'gcc' and there is no {name} on PATH",
                hint="install it (on Debian: apt-get install build-essential), or use zig",
            )
        if found is not None:
            programs[variable] = found
    return Gcc(programs, _parts(programs, path, remembered))


def _parts(programs: Mapping[str, str], path: str, remembered: Path) -> dict[str, str]:
    # Nothing but PATH reaches a step's gcc either; its words are the C locale's there.
    environment = {"PATH": path, "LC_ALL": "C"}
    told = capture([programs["CC"], "-v"], environment=environment).stderr
    dirs = capture([programs["CC"], "-print-search-dirs"], environment=environment).stdout
    used = {name: programs[variable] for variable, name in _DRIVERS.items() if variable in programs}
    used |= _found(_PROGRAMS, [*_listed(dirs, "programs"), *path.split(os.pathsep)])
    used |= _found(_FILES, _listed(dirs, "libraries"))
    known = host_programs.digests(used.values(), remembered)
    return {
        "gcc.machine": _field(told, "Target"),
        "gcc.configured": _field(told, "Configured with"),
        "gcc.version": told.strip().rpartition("\n")[2],
        **{f"gcc.{name}": known[place] for name, place in used.items()},
    }


def _field(told: str, name: str) -> str:
    """A line of what ``gcc -v`` tells."""
    match = re.search(rf"^{name}: *(.*)$", told, re.MULTILINE)
    return match[1] if match else "not told"


def _listed(dirs: str, name: str) -> list[str]:
    """The directories that ``gcc -print-search-dirs`` lists for its programs or libraries."""
    match = re.search(rf"^{name}: =(.*)$", dirs, re.MULTILINE)
    return match[1].split(os.pathsep) if match else []


def _found(names: Iterable[str], folders: list[str]) -> dict[str, str]:
    """The first file of each name in the directories, as gcc looks for them."""
    places: dict[str, str] = {}
    for name in names:
        candidates = (os.path.join(folder, name) for folder in folders if folder)
        place = next((path for path in candidates if os.path.isfile(path)), None)
        if place is not None:
            places[name] = place
    return places
