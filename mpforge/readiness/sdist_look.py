"""Look into an sdist without running it: its backend, whether it compiles, the libraries that it asks for."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from mpforge.artifacts import archives
from mpforge.compiler.backends import recognise
from mpforge.engine.project_facts import project_facts
from mpforge.errors import MpforgeError
from mpforge.kinds.inputs import Inputs
from mpforge.obtain.packages.index_pages import Account, Offer, request
from mpforge.sources.project import Project
from mpforge.spec.recipes import providing
from mpforge.store.protocols import BlobStore

_LARGEST = 80_000_000
_SECONDS = 120.0
_SCRIPTS = {"meson": "meson.build", "cmake": "CMakeLists.txt", "cargo": "Cargo.lock"}
"""The files in which a configurer's builds name libraries; ``setup.py`` counts at the top only."""
_MOST_SCRIPTS = 60
_ASKS = (
    re.compile(r"dependency\(\s*['\"]([\w.+-]+)['\"]"),  # Meson
    re.compile(r"find_package\(\s*([\w.+-]+)", re.IGNORECASE),  # CMake
    re.compile(
        r"pkg_(?:check|search)_modules?\(\s*\w+\s+(?:REQUIRED\s+|IMPORTED_TARGET\s+)*([\w.+-]+)"
    ),
    re.compile(r"libraries\s*[=+]+\s*\[\s*['\"]([\w.+-]+)['\"]"),  # setuptools
)
_SOURCES = {".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".pyx", ".pxd", ".pxi"}
_MOST_SOURCES, _MOST_BYTES = 1000, 300_000
_INCLUDE = re.compile(
    r"""^[ \t]*(?:\#[ \t]*include[ \t]*[<"]|cdef[ \t]+extern[ \t]+from[ \t]*["'])([\w./+-]+)""",
    re.MULTILINE,
)
_SYS_CRATE = re.compile(r'^name = "(?:lib)?([\w-]+)-sys"$', re.MULTILINE)
_OF_EVERY_SYSTEM = {
    *("m", "c", "pthread", "dl", "rt", "util", "threads", "stdc++", "python", "python3", "numpy"),
    *(
        "pybind11",
        "nanobind",
        "cython",
        "openmp",
        "git",
        "pkgconfig",
        "py",
        "python-embed",
        "gtest",
    ),
}

_OF_OTHER_SYSTEMS = {
    *(
        "advapi32",
        "iphlpapi",
        "kernel32",
        "netapi32",
        "ole32",
        "pdh",
        "powrprof",
        "psapi",
        "shell32",
    ),
    *(
        "user32",
        "vcvars",
        "winmm",
        "ws2_32",
        "wtsapi32",
        "devstat",
        "kvm",
        "kstat",
        "perfstat",
        "nsl",
        "socket",
    ),
}
"""Libraries of Windows, the BSDs, Solaris and AIX, which a build for Linux does not use."""
_ASIDE = {"benchmarks", "doc", "docs", "examples", "test", "test cases", "testing", "tests"}
"""Directories whose scripts do not build what is installed."""


@dataclass(frozen=True)
class Look:
    """The facts about its build that a source distribution's files show.

    ``libraries`` are foreign ones that it may ask for, ``known`` those of them with a recipe, by its name.
    ``trouble`` says why it could not be inspected.
    """

    backend: str = ""
    crosses: bool = False
    pure_by: str = ""
    libraries: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def verdict(self) -> str:
        """The result as a text; it says "seems", because nothing was built."""
        if self.trouble:
            return f"its sdist can't be inspected: {self.trouble}"
        if self.pure_by:
            return f"pure Python ({self.pure_by}): installers build it anywhere"
        lacking = [name for name in self.libraries if name not in self.known]
        told = f"compiled, {self.backend}"
        if not self.crosses:
            return f'{told}: mpforge does not know this backend; use strategy = "emulate"'
        known = f"[build] libraries = [{', '.join(self.known)}]" if self.known else ""
        if lacking:
            beside = f", and {known}" if known else ""
            return f"{told}: may need {', '.join(lacking)}, for which mpforge has no recipe{beside}"
        if known:
            return f"{told}: seems buildable with {known}"
        return f"{told}: seems buildable here"


def look(offer: Offer, account: Account | None, store: BlobStore) -> Look:
    """Fetch a source distribution and read its files. It runs nothing of it, and raises nothing."""
    if offer.size is not None and offer.size > _LARGEST:
        return Look(trouble=f"it is {offer.size // 1_000_000} MB")
    try:
        with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as name:
            folder = Path(name)
            archive = folder / Path(offer.filename).name
            with urlopen(request(offer.address, account), timeout=_SECONDS) as answer:  # noqa: S310 - see request
                archive.write_bytes(answer.read(_LARGEST + 1))
            (folder / "files").mkdir()
            archives.unpack(archive, folder / "files")
            return look_at(archives.sole_directory(folder / "files"), store)
    except MpforgeError as error:
        return Look(trouble=error.what)
    except (OSError, ValueError) as error:
        return Look(trouble=str(error))


def look_at(root: Path, store: BlobStore) -> Look:
    """Return what the files of an unpacked source distribution say. Raises ``MpforgeError``."""
    facts = project_facts(Inputs(Project(root, "unpacked-sdist", ()), store), wheel=True)
    backend = recognise(facts)
    if facts.pure_by is not None:
        return Look(backend.name, backend.crosses, pure_by=facts.pure_by)
    names = [*_asked_for(root, _SCRIPTS.get(backend.configurer or "", "")), *_included(root)]
    found = dict.fromkeys(names)
    recipes = {name: recipe.name for name in found if (recipe := providing(name)) is not None}
    return Look(
        backend.name,
        backend.crosses,
        libraries=tuple(dict.fromkeys(recipes.get(name, name) for name in found)),
        known=tuple(dict.fromkeys(recipes.values())),
    )


def _asked_for(root: Path, script: str) -> list[str]:
    """Return the libraries that build scripts name, lower case, without those of every system."""
    own = [
        path
        for path in (sorted(root.rglob(script)) if script else ())
        if _ASIDE.isdisjoint(path.relative_to(root).parts)
    ]
    scripts = [root / "setup.py", *own[:_MOST_SCRIPTS]]
    found: list[str] = []
    for path in filter(Path.is_file, scripts):
        text = path.read_text("utf-8", "replace")
        found += [name.lower() for pattern in _ASKS for name in pattern.findall(text)]
        # Most -sys crates are of the system, or bring their library's source.
        found += [name for name in _SYS_CRATE.findall(text) if providing(name) is not None]
    return [name for name in found if name not in _OF_EVERY_SYSTEM | _OF_OTHER_SYSTEMS]


def _included(root: Path) -> list[str]:
    """Return the recipes whose headers C or Cython sources include and the sdist does not bring, by name."""
    files = [path for path in sorted(root.rglob("*")) if path.suffix in _SOURCES and path.is_file()]
    brought = {path.name for path in files}
    headers: dict[str, None] = {}
    for path in files[:_MOST_SOURCES]:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        headers |= dict.fromkeys(_INCLUDE.findall(text))
    needed = [name for name in headers if name.rpartition("/")[2] not in brought]
    return [recipe.name for name in needed if (recipe := providing(name)) is not None]
