"""uv's builds of Python for other machines, each with the distribution's C library beside it.

uv's own list of builds (with their hashes) answers for what is downloaded, so its identity is the
build's key and file name; mirrors are taken from uv's own variables.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import IndexUnreachable, NoTargetPython
from mpforge.obtain.distro import apt
from mpforge.obtain.packages import uv
from mpforge.obtain.pythons import target_libraries
from mpforge.obtain.pythons.standard_library import compile_library
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted, path_variable
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import GLIBC, Platform, python_words

_VARIABLES = frozenset(
    {"UV_PYTHON_INSTALL_MIRROR", "UV_PYPY_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"}
)


@dataclass(frozen=True)
class Download:
    """One build that uv knows: its key, version, and the name of the file (with its build date)."""

    key: str
    version: str
    file: str


class UvPython:
    """The builds of this uv's list, in ``opt/python`` of a root with the target's C libraries."""

    name = "uv"

    def lack(self, wanted: Wanted) -> str | None:
        """Return that the C library can't be had, or that this uv does not offer the build."""
        platform = wanted.platform
        if platform.libc is GLIBC and _libraries(wanted) is None:
            return "its builds need the target's C library, and this host has no apt to fetch it"
        try:
            find(platform, wanted.python)
        except NoTargetPython as error:
            return error.why
        return None

    def origin(self, wanted: Wanted) -> str:
        """Return the build's name, and the suite of its C library."""
        libraries = _libraries(wanted)
        libc = f", with libc of {libraries.distribution} {libraries.suite}" if libraries else ""
        return f"{find(wanted.platform, wanted.python).key}{libc}"

    def requests(self, wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return the request for the C library; none for musl, which its builds have in them."""
        libraries = _libraries(wanted)
        return () if libraries is None else (libraries,)

    def parts(self, wanted: Wanted, pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the build's name, and the packages of the C library."""
        download = find(wanted.platform, wanted.python)
        build = f"uv {download.key} {download.file}"
        return {"target-python": build, **target_libraries.key_parts(pins)}

    def provide(self, wanted: Wanted, supplies: Supplies) -> TargetPython:
        """Return the build in a root with the C library."""
        python, platform = wanted.python, wanted.platform
        pins = [target_libraries.pin_of(supplies.pins, one) for one in self.requests(wanted)]
        download = find(platform, python)
        word = python_words.parse(python)
        home = Path("opt", "python")
        compiled = None if word.implementation == "pypy" else supplies.host_python

        def make(tree: Path) -> None:
            for pin in pins:
                target_libraries.make_root(pin, supplies.state, tree, supplies.emulator)
            install(download, tree / home, hint=f"set {path_variable(platform, python)}=ROOT")
            compile_library(compiled, tree, tree / home / "lib" / word.program)

        words = ("uv", download.key, download.file, f"compiled {compiled is not None}")
        recipe = target_libraries.recipe(supplies.emulator)
        text = "\n".join((*words, *(apt.digest_of(pin, *recipe) for pin in pins)))
        digest = hashlib.sha256(text.encode()).hexdigest()
        name = f"{python}-uv-{platform.name}"
        tree = supplies.store.obtain(
            name=name, version=download.version, digest=digest, make=make
        ).path
        executable = tree / home / "bin" / word.program
        return TargetPython(python, download.version, tree, executable, digest, self.name)


def _libraries(wanted: Wanted) -> DistroRequest | None:
    if wanted.release is None:
        return None
    return target_libraries.root_request(wanted.platform, host=wanted.release)


def request(platform: Platform, python: str) -> str:
    """Return uv's name of a target Python, e.g. ``cpython-3.13t-linux-aarch64-gnu``."""
    word = python_words.parse(python)
    version = f"{word.version}{'t' if word.threaded else ''}"
    return f"{word.implementation}-{version}-linux-{platform.uv_python}"


def parse_list(text: str) -> Download | None:
    """Return the first entry of ``uv python list --output-format json``, the newest one."""
    entries = json.loads(text or "[]")
    if not entries:
        return None
    entry = entries[0]
    file = str(entry.get("url") or "").rsplit("/", 1)[-1]
    return Download(str(entry["key"]), str(entry["version"]), file)


def find(platform: Platform, python: str) -> Download:
    """Return the newest build of a target Python that this uv offers. Raises ``NoTargetPython``."""
    found, why = _listed(request(platform, python), tuple(sorted(_variables().items())))
    if found is None:
        raise NoTargetPython(f"uv has no {python} for {platform.name}", why=why)
    return found


@functools.cache
def _listed(
    wanted: str, variables: tuple[tuple[str, str], ...]
) -> tuple[Download | None, str | None]:
    """Return uv's newest build of a name, else why there is none."""
    options = ["--only-downloads", "--all-platforms", "--output-format", "json"]
    done = uv.uv(["python", "list", "--no-config", *options, wanted], extra=dict(variables))
    found = parse_list(done.stdout) if done.returncode == 0 else None
    return found, uv.explanation(done) or f"this version of uv does not offer {wanted}"


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
