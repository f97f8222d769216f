"""The contents of a sandbox: base programs, parts of ``/etc``, and the tools of this host that a step uses.

Each is an operation of the launcher: three arguments (``launcher.c``).
"""

import functools
import os
from collections.abc import Iterable
from pathlib import Path

STEP = "/build"
"""The path of a step's directory in its root."""
STEP_IN_IMAGE = "/mpforge/step"
"""The same in a container and in an image's root."""
HOST = Path("/")
"""The root with this host's base programs."""
NAME, ID = "mpforge", 1000
"""A program's user: the same for every caller, so that nothing of the caller gets into results."""

_CPUS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""Where OpenMP's runtime reads the CPUs, which /proc/cpuinfo has too; LLVM's aborts without them."""
_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
# How programs and libraries are found and work, and data of the system; nothing of this host's users or keys.
_SETTINGS = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "perl", "fonts"),
    *("ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies", "services", "protocols"),
    *("os-release", "debian_version", "lsb-release", "redhat-release", "fedora-release"),
)
_HEADERS = ("usr/include", "usr/local/include")
_OF_PYTHON = "python3*"  # Debian's sitecustomize is a link to a file there
_CERTIFICATES = "/usr/share/ca-certificates"  # Debian's /etc/ssl/certs are links to files there
_OF_NETWORK = ("resolv.conf", "hosts", "gai.conf", "ssl/certs", "pki/tls/certs", "pki/ca-trust")
_FILES = {
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        f"{NAME}:x:{ID}:{ID}:{NAME}:/nonexistent:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ),
    "/etc/group": f"root:x:0:\n{NAME}:x:{ID}:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


SYSTEM = tuple(Path("/", name) for name in (*_PROGRAMS, "etc"))
"""The directories that base programs and their settings may be in."""


@functools.cache
def base_system(root: Path = HOST, *, network: bool = False) -> tuple[str, ...]:
    """Return the operations that mount the base programs of ``root``; with ``network``, also its settings."""
    operations: list[str] = []
    for name in _PROGRAMS:
        path = root / name
        if path.is_symlink():
            operations += ("link", os.readlink(path), f"/{name}")
        elif path.is_dir():
            operations += ("ro", os.path.realpath(path), f"/{name}")
    for name in filter(os.path.isdir, _CPUS):
        operations += ("ro", name, name)
    etc = root / "etc"
    settings = [*_SETTINGS, *sorted(path.name for path in etc.glob(_OF_PYTHON))]
    shared = [Path("/etc", name) for name in (_OF_NETWORK if network else ())]
    for path in [*(etc / name for name in settings), *shared]:
        if path.exists():
            place = path if path in shared else Path("/", path.relative_to(root))
            operations += ("ro", os.path.realpath(path), str(place))
    if network and root != HOST and os.path.isdir(_CERTIFICATES):
        operations += ("ro", _CERTIFICATES, _CERTIFICATES)
    for name, text in _FILES.items():
        operations += ("file", text, name)
    return (
        *operations,
        *(() if network and Path("/etc/hosts").exists() else ("file", _HOSTS, "/etc/hosts")),
    )


def of_image(image: Path, *, network: bool) -> tuple[str, ...]:
    """Return the operations that add to an image's root what a container runtime adds.

    ``network``: also this host's network settings.
    """
    operations: list[str] = []
    for name in filter(os.path.isdir, _CPUS):
        operations += ("ro", name, name)
    if network:
        for name in filter(os.path.exists, ("/etc/resolv.conf", "/etc/hosts")):
            operations += ("ro", os.path.realpath(name), name)
    else:
        operations += ("file", _HOSTS, "/etc/hosts")
    if (image / "etc/apt/apt.conf.d").is_dir():  # it has no user of its own to become
        operations += ("file", 'APT::Sandbox::User "root";\n', "/etc/apt/apt.conf.d/99mpforge")
    return tuple(operations)


def bind_mounts(paths: Iterable[Path], root: Path = HOST) -> tuple[str, ...]:
    """Return the operations that mount files and directories read-only, each at its own path.

    Where a path leads through a link, its real path is mounted too: programs resolve links. Paths in the
    directories of base programs are left out: ``root`` has those.
    """
    places: dict[str, str] = {}
    for path in paths:
        real = os.path.realpath(path)
        places |= {str(path): real, real: real}
    operations: list[str] = []
    kept: list[str] = []
    for place in sorted(places):
        if not _is_below(place, _base_folders(root)) and not _is_below(place, kept):
            operations += ("ro", places[place], place)
            kept.append(place)
    return tuple(operations)


def without_headers(root: Path, empty: Path) -> tuple[str, ...]:
    """Return the operations that leave the host's headers out of ``root``, except for Python's.

    ``empty`` is an empty directory, which is mounted in their place.
    """
    operations: list[str] = []
    for number, name in enumerate(_HEADERS):
        headers, place = root / name, empty / str(number)
        if not headers.is_dir():
            continue
        place.mkdir(parents=True, exist_ok=True)
        operations += ("ro", str(place), f"/{name}")
        for pythons in (*headers.glob(_OF_PYTHON), *headers.glob(f"*/{_OF_PYTHON}")):
            below = pythons.relative_to(headers)
            (place / below).mkdir(parents=True, exist_ok=True)
            operations += ("ro", os.path.realpath(pythons), f"/{name}/{below}")
    return tuple(operations)


@functools.cache
def _base_folders(root: Path) -> tuple[str, ...]:
    return tuple(f"/{name}" for name in _PROGRAMS if (root / name).is_dir())


def _is_below(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(f"{folder}/") for folder in folders)
