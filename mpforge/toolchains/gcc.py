"""The host's own gcc as a toolchain for native builds.

Its identity is its own answers and the digests of its parts: drivers, cc1, as, ld, libgcc,
the crt files and libc (docs/architecture.md, "What is in a step's key"). Knows nothing of targets: it
builds for this host.
"""

import functools
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.obtain import host_programs
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.toolchains import Compilers
from mpforge.processes import capture
from mpforge.store.file_digests import FileDigests
from mpforge.toolchains import host_reads
from mpforge.toolchains.ready import (
    COMPILER_NOTES,
    Language,
    ProvidedToolchain,
    ReadyCompilers,
    digest,
)
from mpforge.toolchains.templates import template

_DRIVERS = {"CC": "gcc", "CXX": "g++", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip"}
_PROGRAMS = ("cc1", "cc1plus", "collect2", "lto1", "as", "ld")
_FILES = (
    *("libgcc.a", "libgcc_s.so.1", "crt1.o", "Scrt1.o", "crti.o", "crtn.o", "crtbegin.o"),
    *("crtbeginS.o", "crtend.o", "crtendS.o", "libc.so.6", "libc_nonshared.a", "libm.so.6"),
    *("libstdc++.so", "libstdc++.a"),
)
_VERSION, _PLACES = ("-v",), ("-print-search-dirs",)
_OF_GCC = re.compile(r"(?:.+-)?gcc(?:-[\d.]+)?")

# What it reads of the host is noted (``host_reads``), this CPU too: -march=native asks for it by an
# instruction, and may be in a file of arguments. It writes the step's directory into debug information,
# __FILE__ and assert: say `.` for it, so that results are the same without a sandbox.
WRAPPER = """#!/bin/sh
if [ -n "${{MPFORGE_READS:-}}" ]; then
	export LD_PRELOAD="$MPFORGE_READS_LIBRARY${{LD_PRELOAD:+:$LD_PRELOAD}}"
	case " $*" in *=native* | *" @"*) echo +{cpu} >>"$MPFORGE_READS" ;; esac
fi
case " $* " in
*" -c "* | *" -E "* | *" -S "* | *" -M"*) ;;
*" -l"* | *".a "*) # a static library needs others, which not every build knows
	[ -z "${{MPFORGE_LIBRARIES:-}}" ] || set -- "$@" -Wl,--start-group $MPFORGE_LIBRARIES -Wl,--end-group ;;
esac
exec {place} "-ffile-prefix-map=${{MPFORGE_STEP_DIR:?}}=." "$@"
"""


@dataclass(frozen=True)
class Gcc:
    """A gcc: its programs by variable (CC, CXX, AR …), and the named parts of its identity."""

    programs: Mapping[str, str]
    parts: Mapping[str, str]


class ProvidedGcc(ProvidedToolchain):
    """The host's gcc for a build."""

    def __init__(self, compilers: Compilers, tools: SessionTools) -> None:
        self._of_python = compilers.python is not None
        self._tools = tools

    def parts(self) -> dict[str, str]:
        """Return gcc's answers about itself, the digests of its files and of the wrapper."""
        return {**find(self._tools.host_files).parts, "toolchain.programs": digest(WRAPPER)}

    def prepare(self) -> None:
        """Write the wrapper programs that call it."""
        self._programs()

    def ready(
        self,
        languages: tuple[Language, ...],
        directory: Path,
        flags: tuple[str, ...],
    ) -> ReadyCompilers:
        """Return gcc's variables; its reads are recorded in the step's directory."""
        programs, links = self._programs()
        called = {name: str(links / Path(place).name) for name, place in programs.items()}
        cc, cxx = called["CC"], called.get("CXX", called["CC"])
        shared = {"LDSHARED": f"{cc} -shared", "LDCXXSHARED": f"{cxx} -shared"}
        variables = {name: place for name, place in called.items() if name not in ("LD", "AS")}
        variables["MPFORGE_WRAPPER_LOG"] = str(directory / COMPILER_NOTES)
        library = links / host_reads.LIBRARY
        if host_reads.is_usable(library):
            variables |= host_reads.variables(library, directory / host_reads.NOTES)
        return ReadyCompilers(variables, shared if self._of_python else {}, (str(links),))

    def notes_reads(self) -> bool:
        """Return whether the library that records them works with this gcc."""
        return host_reads.is_usable(self._programs()[1] / host_reads.LIBRARY)

    def _programs(self) -> tuple[Mapping[str, str], Path]:
        """Return gcc's programs by variable, and the directory of the wrappers that call them."""
        programs = find(self._tools.host_files).programs
        self._tools.host_paths.update(*map(host_programs.files_of, programs.values()))

        def make(folder: Path) -> None:
            for variable, place in programs.items():
                script = folder / Path(place).name
                if variable in ("CC", "CXX"):
                    script.write_text(
                        WRAPPER.format(place=shlex.quote(place), cpu=host_reads.CPU), "utf-8"
                    )
                    script.chmod(0o755)
                else:
                    script.symlink_to(place)
            host_reads.make_library(programs["CC"], folder)

        identity = digest(WRAPPER, template(host_reads.SOURCE), repr(sorted(programs.items())))
        made = self._tools.store.obtain(name="gcc", version="host", digest=identity, make=make)
        return programs, made.path


@functools.cache
def find(digests: FileDigests) -> Gcc:
    """Return the gcc on PATH. Raises ``ToolUnavailable``."""
    path = os.environ.get("PATH", os.defpath)
    programs = {}
    for variable, name in {**_DRIVERS, "LD": "ld", "AS": "as"}.items():
        found = shutil.which(name, path=path)
        if found is None and variable != "CXX":
            raise ToolUnavailable(
                f"toolchain = 'gcc', but there is no {name} on PATH",
                hint="install it (on Debian: apt-get install build-essential), or use zig",
            )
        if found is not None:
            programs[variable] = found
    return Gcc(programs, _parts(programs, path, digests))


def _parts(programs: Mapping[str, str], path: str, digests: FileDigests) -> dict[str, str]:
    # Nothing but PATH reaches a step's gcc either; its words are the C locale's there.
    environment = {"PATH": path, "LC_ALL": "C"}
    told = capture([programs["CC"], *_VERSION], environment=environment, brief=True).stderr
    dirs = capture([programs["CC"], *_PLACES], environment=environment, brief=True).stdout
    used = {name: programs[variable] for variable, name in _DRIVERS.items() if variable in programs}
    used |= _found(_PROGRAMS, [*_listed(dirs, "programs"), *path.split(os.pathsep)])
    used |= _found(_FILES, _listed(dirs, "libraries"))
    known = digests.of(used.values())
    return {
        "gcc.machine": _field(told, "Target"),
        "gcc.configured": _field(told, "Configured with"),
        "gcc.version": told.strip().rpartition("\n")[2],
        **{f"gcc.{name}": known[place] for name, place in used.items()},
    }


def paths(program: str, words: Sequence[str]) -> Iterator[str]:
    """Yield the paths by which gcc itself answers what is asked here (gcc(1), "Spec Files").

    Nothing for other words, or another program: a wrapper, such as ccache, may read anything.
    """
    real = Path(os.path.realpath(program))
    if tuple(words) not in (_VERSION, _PLACES) or not _OF_GCC.fullmatch(real.name):
        return
    with real.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    dirs = capture([program, *_PLACES], environment=environment, brief=True).stdout
    install = re.search(r"^install: (.*)$", dirs, re.MULTILINE)
    own = [install[1]] if install else []
    yield from (program, *(os.path.join(folder, "lto-wrapper") for folder in own))
    for folder in (*own, *_listed(dirs, "programs"), *_listed(dirs, "libraries")):
        yield from (folder, os.path.join(folder, "specs"))


def _field(told: str, name: str) -> str:
    """Return a line of the output of ``gcc -v``."""
    match = re.search(rf"^{name}: *(.*)$", told, re.MULTILINE)
    return match[1] if match else "not told"


def _listed(dirs: str, name: str) -> list[str]:
    """Return the directories that ``gcc -print-search-dirs`` lists for its programs or libraries."""
    match = re.search(rf"^{name}: =(.*)$", dirs, re.MULTILINE)
    return match[1].split(os.pathsep) if match else []


def _found(names: Iterable[str], folders: list[str]) -> dict[str, str]:
    """Return the first file of each name in the directories, as gcc searches."""
    places: dict[str, str] = {}
    for name in names:
        candidates = (os.path.join(folder, name) for folder in folders if folder)
        place = next((path for path in candidates if os.path.isfile(path)), None)
        if place is not None:
            places[name] = place
    return places
