"""Host files that a step's programs read: headers, libraries, and paths that did not exist.

The programs record a line each: "+", or "-" for an absent file, and the path. A small library that records is
preloaded into gcc and what it starts (ld.so(8)); auditwheel names what it grafts. For zig, the arguments of
its calls are recorded instead (``host_arguments``).
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from mpforge.keys.walk import ABSENT
from mpforge.processes import capture
from mpforge.store.file_digests import FileDigests
from mpforge.toolchains.host_arguments import NamedPaths
from mpforge.toolchains.ready import digest
from mpforge.toolchains.templates import template

SOURCE = "hostreads.c"
LIBRARY = "hostreads.so"
NOTES = "host-reads.txt"
"""The file of a step's directory where its programs note which files of the host they looked for."""

UNSEEN = "(unseen)"
"""The path that stands for unobserved reads."""
UNSURE = "(changed meanwhile)"
_DIRECTORY = "(a directory)"
_ALL = "**"
CPU = "/proc/cpuinfo"
"""The file that says which CPU this is. It counts by its models and features, not by the clock."""
_OF_A_CPU = (  # proc_cpuinfo(5): x86's words, then Arm's
    *("vendor_id", "cpu family", "model", "model name", "cache size", "flags"),
    *("Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part"),
)
_OF_THE_KERNEL = ("/proc/", "/dev/", "/sys/")
_TRIAL = "#include <stddef.h>\nint main(void) { return 0; }\n"


def make_library(gcc: str, folder: Path) -> None:
    """Build the library with this gcc; leave none if it can't observe what this gcc reads."""
    library = folder / LIBRARY
    with tempfile.TemporaryDirectory() as scratch:
        trial, source = Path(scratch, "trial.c"), Path(scratch, SOURCE)
        trial.write_text(_TRIAL, encoding="utf-8")
        source.write_text(template(SOURCE), encoding="utf-8")
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": scratch}
        argv = [gcc, "-shared", "-fPIC", "-O2", "-w", "-s", "-o", str(library), str(source), "-ldl"]
        if capture(argv, environment=environment).returncode:
            library.unlink(missing_ok=True)
            return
        notes = Path(scratch, "notes.txt")
        argv = [gcc, "-o", str(Path(scratch, "trial")), str(trial)]
        capture(argv, environment=environment | variables(library, notes, preloads=True))
        opened = {os.path.basename(path) for path in looked_for(notes)[0]}
    if not {"stddef.h", "crtn.o"} <= opened:  # a gcc that is linked statically, say
        library.unlink()


def variables(library: Path, notes: Path, *, preloads: bool = False) -> dict[str, str]:
    """Return the variables that make gcc's programs record what they read; ``preloads``: gcc itself too."""
    values = {"MPFORGE_READS": str(notes), "MPFORGE_READS_LIBRARY": str(library)}
    return values | ({"LD_PRELOAD": str(library)} if preloads else {})


def is_usable(library: Path) -> bool:
    """Return whether the library exists at a path that LD_PRELOAD can hold."""
    return library.is_file() and not set(" :") & set(str(library))


def looked_for(notes: Path) -> tuple[set[str], set[str]]:
    """Return the files that were opened, and the absent ones, as the library recorded them."""
    try:
        lines = set(notes.read_bytes().splitlines())
    except FileNotFoundError:
        return set(), set()
    opened = {os.fsdecode(line[1:]) for line in lines if line.startswith(b"+")}
    return opened, {os.fsdecode(line[1:]) for line in lines if line.startswith(b"-")} - opened


def read(
    notes: Path,
    named: NamedPaths,
    *,
    own: Iterable[Path],
    since: int,
    digests: FileDigests,
    to_host_paths: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return the read host files by path, as of ``contents``, without those in the directories ``own``.

    ``named`` is what calls of zig name: any header of a directory may have been read. ``since`` is when
    reading began, in ns: of what has changed from then on nothing is sure. ``to_host_paths``
    returns a noted path as the host knows it.
    """
    opened, absent = (set(map(to_host_paths, paths)) for paths in looked_for(notes))
    outside = _Outside(own)
    found = {path for path in map(outside.place, opened) if path}
    missed = {path for path in map(outside.place, absent) if path and not path.endswith(".gch")}
    others = {path for path in map(outside.place, named.files) if path}
    folders = (outside.place(os.path.join(folder, "")) for folder in named.headers)
    others |= {f"{folder}{_ALL}" for folder in folders if folder}
    known = contents(found | missed | others, digests)
    for path, value in [*known.items()]:
        if any(_is_younger(file, since) for file in _files(path)) or (
            path in found and value == ABSENT
        ):
            known[path] = UNSURE
        elif path in missed and value != ABSENT:  # the place of the step does not show it
            del known[path]
    return dict(sorted(known.items()))


def contents(paths: Iterable[str], digests: FileDigests) -> dict[str, str]:
    """Return each file's sha256, or a word for an absent file or a directory.

    A path that ends with ``/**`` stands for all files below.
    """
    files = {path: _files(path) for path in paths}
    known = digests.of({file for each in files.values() for file in each})
    return {
        path: _combined(path, [(file, known[file]) for file in each])
        for path, each in files.items()
    }


def cpu_identity(cpuinfo: Path = Path(CPU)) -> str:
    """Return the sha256 of the models and features of a machine's CPUs. Raises ``OSError``."""
    lines = (line.partition(":") for line in cpuinfo.read_text("utf-8").splitlines())
    known = {(name.strip(), value.strip()) for name, _, value in lines}
    return digest(*(f"{name}: {value}" for name, value in sorted(known) if name in _OF_A_CPU))


def _files(path: str) -> list[str]:
    """Return the regular files that a path stands for, sorted; none for ``CPU``, whose times say nothing."""
    if path == CPU:
        return []
    if not path.endswith(_ALL):
        return [path] if os.path.isfile(path) else []
    below = os.walk(path.removesuffix(_ALL))
    found = (os.path.join(folder, name) for folder, _, names in below for name in names)
    return sorted(filter(os.path.isfile, found))


def _combined(path: str, files: list[tuple[str, str]]) -> str:
    if path == CPU:
        return cpu_identity()
    place = path.removesuffix(_ALL)
    if place != path and os.path.isdir(place):
        return digest(json.dumps(files))
    if os.path.isdir(place):
        return _DIRECTORY
    return files[0][1] if files else ABSENT


class _Outside:
    """A filter for paths outside some directories, without those that the system generates."""

    def __init__(self, own: Iterable[Path]) -> None:
        folders = tuple(own)
        self._own = tuple(f"{os.path.realpath(folder)}/" for folder in folders)
        self._spelled = (*self._own, *(f"{folder}/" for folder in folders))
        self._real: dict[str, str] = {}

    def place(self, path: str) -> str | None:
        """Return a path that names the file when the directories are gone; None if it is not a host file."""
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        real = os.path.join(self._real[folder], name)
        is_own = real.startswith(self._own)
        if is_own and os.path.islink(real):
            path = real = os.path.realpath(real)
            is_own = real.startswith(self._own)
        elif not is_own and path.startswith(self._spelled):
            path = real
        made_up = path != CPU and real.startswith(_OF_THE_KERNEL)
        return None if is_own or made_up else path


def _is_younger(path: str, since: int) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return max(found.st_ctime_ns, found.st_mtime_ns) >= since
