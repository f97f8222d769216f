"""A target's own Python and C libraries for running tests: four providers behind one interface.

In order: a path given by the environment, the distribution's packages of the target's architecture, for
musl a build from source, and uv's builds with the distribution's libc beside them. The choice depends on
the platform, the Python word, the environment and the host's distribution alone, so it can be planned
before anything is fetched. Such a Python is started by ``places.interpreter_launcher``.
"""

import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import NoTargetPython, PinMissing, ToolUnavailable
from mpforge.obtain import base_programs
from mpforge.obtain.distro import apt, roots
from mpforge.obtain.pythons import source_python, uv_python
from mpforge.obtain.pythons.given_program import require_program_of
from mpforge.obtain.pythons.source_python import CrossCompilers, SourceBuild
from mpforge.obtain.pythons.standard_library import compile_library
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import GLIBC, MUSL, Platform
from mpforge.store.files import digest_of_files
from mpforge.store.tool_store import ToolStore

# Debian suites that have the packages below, by their Python.
_SUITES: Mapping[str, str] = {"cp311": "bookworm", "cp313": "trixie"}

# Packages for the target's programs: loader, libc and the libraries that manylinux wheels may expect.
RUNTIME = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g")
_MUSL_RUNTIME = ("musl",)

# A CPython without its documentation, pip and test suite, and the libraries of its extensions.
_PYTHON = ("python{v}-minimal", "libpython{v}-minimal", "libpython{v}-stdlib")
_LIBRARIES = (
    *("libbz2-1.0", "libcrypt1", "libexpat1", "libffi8", "liblzma5", "libncursesw6"),
    *("libsqlite3-0", "libtinfo6", "libuuid1"),
)
_OF_SUITE: Mapping[str, tuple[str, ...]] = {
    "bookworm": ("libdb5.3", "libreadline8", "libssl3", "python3-distutils", "python3-lib2to3"),
    "trixie": ("libdb5.3t64", "libreadline8t64", "libssl3t64", "libzstd1"),
}


@dataclass(frozen=True)
class TargetPython:
    """A Python to run tests with.

    ``python`` is the word (``cp311``), ``version`` the full version, ``sysroot`` the root of the
    target's libraries, ``executable`` the interpreter, ``digest`` its identity in keys,
    ``provider`` is ``path``, ``distribution``, ``source``, ``uv``, ``host`` or ``image``.
    """

    python: str
    version: str
    sysroot: Path
    executable: Path
    digest: str
    provider: str


def path_variable(platform: Platform, python: str) -> str:
    """Return the name of the variable with a target Python's path: MPFORGE_TARGET_PYTHON_AARCH64_CP311."""
    return f"MPFORGE_TARGET_PYTHON_{platform.name}_{python}".upper()


def distro_requests(
    platform: Platform, python: str, *, host: tuple[str, str] | None = None
) -> tuple[DistroRequest, ...]:
    """Return the requests for packages of the distribution that ``provide`` needs pinned; often one.

    ``host`` replaces ``apt.host_distribution()``. Empty if a path is given, or the host
    has no apt.
    """
    if os.environ.get(path_variable(platform, python)):
        return ()
    host = host or apt.host_distribution()
    request = _python_request(platform, python, host) or root_request(platform, host=host)
    sources = source_python.request(platform, python, host)
    return tuple(one for one in (sources, request) if one is not None)


def runtime_request(
    platform: Platform, *, host: tuple[str, str] | None = None
) -> DistroRequest | None:
    """Return the packages of a target's C libraries; ``None`` if the host's distribution has none."""
    host = host or apt.host_distribution()
    if host is None or platform.debian_arch is None:
        return None
    names = _MUSL_RUNTIME if platform.libc is MUSL else RUNTIME
    return DistroRequest(*host, platform.debian_arch, tuple(sorted(names)))


def root_request(
    platform: Platform, *, host: tuple[str, str] | None = None
) -> DistroRequest | None:
    """Return the same with base programs: the packages of a root in which tests run. musl has none."""
    request = runtime_request(platform, host=host)
    if request is None or platform.libc is MUSL:
        return request
    names = {*RUNTIME, *base_programs.names(request.suite)}
    return dataclasses.replace(request, names=tuple(sorted(names)), libraries=True)


def provide(
    platform: Platform,
    python: str,
    *,
    pins: Sequence[DistroPin],
    store: ToolStore,
    state: Path,
    host_python: str | None,
    release: tuple[str, str] | None = None,
    emulator: Path | None = None,
    compilers: CrossCompilers | None = None,
) -> TargetPython:
    """Return the target's Python, made once in the tool store.

    ``pins`` answer ``distro_requests``; ``host_python`` is a host CPython of the same minor version
    that compiles the standard library once (without one every start of the Python is slower). ``release``
    replaces ``apt.host_distribution()``; ``emulator`` is the program that runs the target's, ``compilers``
    compile for it.
    Raises ``NoTargetPython``, ``PinMissing``, and the errors of ``apt.fetch``.
    """
    given = os.environ.get(path_variable(platform, python))
    if given:
        return _given(platform, python, Path(given).absolute())
    host = release or apt.host_distribution()
    request = _python_request(platform, python, host)
    if request is not None:
        pin = pin_of(pins, request)
        return _of_distribution(
            python, pin, store, state, host_python=host_python, emulator=emulator
        )
    runtime = root_request(platform, host=host)
    sources = source_python.request(platform, python, host)
    if sources is not None and runtime is not None and compilers is not None:
        built_by = source_python.require_host(platform, python, host_python)
        pinned = pin_of(pins, sources), pin_of(pins, runtime)
        return _of_sources(
            SourceBuild(platform, python, *pinned, compilers, built_by, state), store
        )
    if runtime is None and platform.libc is GLIBC:
        raise NoTargetPython(
            f"no Python {python} for {platform.name} can be obtained on this host",
            why="uv's builds need the target's C library, and this host has no apt to fetch it",
            hint=_path_hint(platform, python),
        )
    return provide_by_uv(
        platform,
        python,
        pin=None if runtime is None else pin_of(pins, runtime),
        store=store,
        state=state,
        host_python=host_python,
        emulator=emulator,
    )


def provide_runtime(platform: Platform, pin: DistroPin, *, store: ToolStore, state: Path) -> Path:
    """Return a sysroot with the C libraries of a target's programs, made once in the tool store.

    ``pin`` answers ``runtime_request``. Raises the errors of ``apt.fetch``.
    """
    tree = store.obtain(
        name=f"runtime-{platform.name}",
        version=pin.packages[0].version,
        digest=apt.digest_of(pin, "runtime"),
        make=lambda directory: _unpack(pin, state, directory),
    )
    return tree.path


def provide_root(
    platform: Platform, pin: DistroPin, *, store: ToolStore, state: Path, emulator: Path | None
) -> Path:
    """Return the same with base programs; ``pin`` answers ``root_request``."""
    if platform.libc is MUSL:
        return provide_runtime(platform, pin, store=store, state=state)
    tree = store.obtain(
        name=f"root-{platform.name}",
        version=_version_of(pin, "libc6"),
        digest=apt.digest_of(pin, "root", base_programs.RECIPE, f"cache {emulator is not None}"),
        make=lambda directory: _make_root(pin, state, directory, emulator),
    )
    return tree.path


# --- the distribution's packages --------------------------------------------------------------


def _python_request(
    platform: Platform, python: str, host: tuple[str, str] | None
) -> DistroRequest | None:
    suite = _SUITES.get(python)
    if host is None or host[0] != "debian" or suite is None:
        return None
    if platform.libc is not GLIBC or platform.debian_arch is None:
        return None
    own = (name.format(v=uv_python.minor_of(python)) for name in _PYTHON)
    names = {*own, *_LIBRARIES, *_OF_SUITE[suite], *RUNTIME, *base_programs.names(suite)}
    return DistroRequest(
        "debian", suite, platform.debian_arch, tuple(sorted(names)), libraries=True
    )


def _of_distribution(
    python: str,
    pin: DistroPin,
    store: ToolStore,
    state: Path,
    *,
    host_python: str | None,
    emulator: Path | None,
) -> TargetPython:
    minor = uv_python.minor_of(python)
    executable = Path("usr", "bin", f"python{minor}")

    def make(tree: Path) -> None:
        _make_root(pin, state, tree, emulator)
        if not (tree / executable).is_file():
            raise NoTargetPython(
                f"the packages of {pin.request.suite} do not contain /{executable}"
            )
        compile_library(host_python, tree, tree / "usr" / "lib" / f"python{minor}")

    words = (base_programs.RECIPE, f"cache {emulator is not None}")
    digest = apt.digest_of(pin, f"compiled {host_python is not None}", *words)
    version = re.split(r"[-+~]", _version_of(pin, f"python{minor}-minimal"))[0]
    name = f"{python}-{pin.request.architecture}"
    tree = store.obtain(name=name, version=version, digest=digest, make=make).path
    return TargetPython(python, version, tree, tree / executable, digest, "distribution")


def _of_sources(build: SourceBuild, store: ToolStore) -> TargetPython:
    """Return a Python built from source, beside the target's C library."""

    def make(tree: Path) -> None:
        _unpack(build.runtime, build.state, tree)
        compile_library(build.host_python, tree, build.make(tree))

    name = f"{build.python}-source-{build.platform.name}"
    tree = store.obtain(name=name, version=build.version, digest=build.digest, make=make).path
    executable = tree / "opt" / "python" / "bin" / build.program
    return TargetPython(build.python, build.version, tree, executable, build.digest, "source")


def _unpack(pin: DistroPin, state: Path, tree: Path) -> None:
    roots.make_root(pin, state=state, root=tree)
    for part in ("doc", "man", "lintian", "bug"):
        shutil.rmtree(tree / "usr" / "share" / part, ignore_errors=True)


def _make_root(pin: DistroPin, state: Path, tree: Path, emulator: Path | None) -> None:
    """Unpack packages into a root with base programs, and write its cache of libraries (ldconfig(8)).

    The loader does without the cache, ``ctypes.util.find_library`` does not.
    """
    apt.fetch(pin, state=state, dest=tree)
    base_programs.tidy(tree)
    if emulator is None:
        return
    ldconfig = [str(tree / "usr" / "sbin" / "ldconfig"), "-X", "-r", str(tree)]
    done = processes.capture([str(emulator), *ldconfig])
    if done.returncode:
        raise ToolUnavailable(
            f"ldconfig of {pin.request.suite} for {pin.request.architecture} failed",
            why=done.stderr.strip() or f"exit status {done.returncode}",
        )


def pin_of(pins: Sequence[DistroPin], request: DistroRequest) -> DistroPin:
    """Return the pin of exactly this request. Raises ``PinMissing``."""
    for pin in pins:
        if pin.request == request:
            return pin
    raise PinMissing(
        f"the lock has no packages of {request.distribution} {request.suite}"
        f" for {request.architecture}",
        hint="mpforge lock",
    )


def _version_of(pin: DistroPin, name: str) -> str:
    """Return the version of a pinned package, without its epoch."""
    versions = [package.version for package in pin.packages if package.name == name]
    return versions[0].split(":", 1)[-1] if versions else "unknown"


# --- a given path -----------------------------------------------------------------------------


def _given(platform: Platform, python: str, path: Path) -> TargetPython:
    """Return the Python at a path: an interpreter inside a root directory, or that directory."""
    variable = path_variable(platform, python)
    name = uv_python.library(python)
    executable = _interpreter(path, name)
    if executable is None:
        raise NoTargetPython(
            f"{path} ({variable}) has no {name}",
            hint=f"set it to a root directory with bin/{name}, or to an interpreter in one",
        )
    require_program_of(platform, executable, variable=variable)
    sysroot = path if path.is_dir() else root_of(executable)
    version, digest = _identity(executable, sysroot, name)
    return TargetPython(python, version, sysroot, executable, digest, "path")


def _interpreter(path: Path, name: str) -> Path | None:
    if path.is_file():
        return path
    for folder in ("usr/bin", "usr/local/bin", "bin", f"opt/{name}/bin", "opt/python/bin"):
        candidate = path / folder / name
        if candidate.is_file():
            return candidate
    return None


def root_of(executable: Path) -> Path:
    """Return an interpreter's root directory: the nearest one above it with a loader."""
    for parent in executable.parents:
        for folder in ("lib", "lib64", "usr/lib"):
            if any((parent / folder).glob("ld-*.so*")):
                return parent
    return executable.parent.parent


def _identity(executable: Path, sysroot: Path, name: str) -> tuple[str, str]:
    """Return (version, digest) of an interpreter; the digest covers its bytes and all of its files."""
    library = executable.parent.parent / "lib" / name
    files = sorted({executable, *_identifying(executable.parent.parent, sysroot, library)})
    digest = digest_of_files((os.path.relpath(file, sysroot), file) for file in files)
    return _patch_level(executable) or re.sub(r"^[a-z]+", "", name), digest


def _identifying(prefix: Path, sysroot: Path, library: Path) -> Iterator[Path]:
    for root in dict.fromkeys((prefix / "lib", sysroot / "lib", sysroot / "usr/lib")):
        for pattern in ("ld-*.so*", "libpython*.so*", "*/ld-*.so*", "*/libc.so*"):
            yield from (file for file in root.glob(pattern) if file.is_file())
    for pattern in ("**/*.py", "lib-dynload/*"):
        yield from (file for file in library.glob(pattern) if file.is_file())


def _patch_level(executable: Path) -> str | None:
    """Return ``3.11.2`` from the version string in the executable or its libpython, without running it."""
    prefix = executable.parent.parent
    for file in (executable, *sorted(prefix.glob("lib/**/libpython3.*.so*"))):
        match = re.search(rb"\0(3\.\d+\.\d+[a-z0-9+]*)\0", file.read_bytes())
        if match:
            return match.group(1).decode()
    return None


# --- uv's builds ------------------------------------------------------------------------------


def provide_by_uv(
    platform: Platform,
    python: str,
    *,
    pin: DistroPin | None,
    store: ToolStore,
    state: Path,
    host_python: str | None,
    emulator: Path | None = None,
) -> TargetPython:
    """Return uv's build in ``opt/python`` of a sysroot made from ``pin`` (None: a musl target needs none).

    Raises ``NoTargetPython``, ``IndexUnreachable``.
    """
    hint = _path_hint(platform, python)
    download = uv_python.find(platform, python, hint=hint)
    home = Path("opt", "python")
    library = Path(home, "lib", uv_python.library(python))
    compiled = None if python.startswith("pp") else host_python

    def make(tree: Path) -> None:
        if pin is not None:
            _make_root(pin, state, tree, emulator)
        uv_python.install(download, tree / home, hint=hint)
        compile_library(compiled, tree, tree / library)

    words = ("uv", download.key, download.file, f"compiled {compiled is not None}")
    root = base_programs.RECIPE, f"cache {emulator is not None}"
    packages = () if pin is None else (apt.digest_of(pin, *root),)
    digest = hashlib.sha256("\n".join((*words, *packages)).encode()).hexdigest()
    name = f"{python}-uv-{platform.name}"
    tree = store.obtain(name=name, version=download.version, digest=digest, make=make).path
    executable = tree / home / "bin" / uv_python.library(python)
    return TargetPython(python, download.version, tree, executable, digest, "uv")


def _path_hint(platform: Platform, python: str) -> str:
    return f"set {path_variable(platform, python)}=ROOT"
