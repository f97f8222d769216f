"""What a step's own root shows: base programs, parts of ``/etc``, the tools of this host that it uses.

Each is an operation of the launcher: three words (``launcher.c``).
"""

import functools
import os
from collections.abc import Iterable
from pathlib import Path

STEP = "/build"
"""The path of a step's directory in its root."""
HOST = Path("/")
"""The root with this host's base programs."""
NAME, ID = "mpforge", 1000
"""Who a program is: the same for every caller, so that nothing of the caller gets into what it makes."""

_CPUS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""What OpenMP's runtime asks for the CPUs, as /proc/cpuinfo tells; LLVM's aborts without."""
_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
# How programs and libraries are found and work, and data of the system; nothing of this host's users or keys.
_SETTINGS = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "perl", "fonts"),
    *("ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies", "services", "protocols"),
    *("os-release", "debian_version", "lsb-release", "redhat-release", "fedora-release"),
)
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
def base(root: Path = HOST, *, network: bool = False) -> tuple[str, ...]:
    """Return the operations that show the base programs of ``root``; ``network``: and how to reach others."""
    words: list[str] = []
    for name in _PROGRAMS:
        path = root / name
        if path.is_symlink():
            words += ("link", os.readlink(path), f"/{name}")
        elif path.is_dir():
            words += ("ro", os.path.realpath(path), f"/{name}")
    for name in filter(os.path.isdir, _CPUS):
        words += ("ro", name, name)
    etc = root / "etc"
    settings = [*_SETTINGS, *sorted(path.name for path in etc.glob(_OF_PYTHON))]
    shared = [Path("/etc", name) for name in (_OF_NETWORK if network else ())]
    for path in [*(etc / name for name in settings), *shared]:
        if path.exists():
            place = path if path in shared else Path("/", path.relative_to(root))
            words += ("ro", os.path.realpath(path), str(place))
    if network and root != HOST and os.path.isdir(_CERTIFICATES):
        words += ("ro", _CERTIFICATES, _CERTIFICATES)
    for name, text in _FILES.items():
        words += ("file", text, name)
    return (
        *words,
        *(() if network and Path("/etc/hosts").exists() else ("file", _HOSTS, "/etc/hosts")),
    )


def of_image(image: Path, *, network: bool) -> tuple[str, ...]:
    """Return the operations for an image's root in ``image``: what a container runtime puts there too.

    ``network``: also how this host reaches others.
    """
    words: list[str] = []
    for name in filter(os.path.isdir, _CPUS):
        words += ("ro", name, name)
    if network:
        for name in filter(os.path.exists, ("/etc/resolv.conf", "/etc/hosts")):
            words += ("ro", os.path.realpath(name), name)
    else:
        words += ("file", _HOSTS, "/etc/hosts")
    if (image / "etc/apt/apt.conf.d").is_dir():  # it has no user of its own to become
        words += ("file", 'APT::Sandbox::User "root";\n', "/etc/apt/apt.conf.d/99mpforge")
    return tuple(words)


def shown(paths: Iterable[Path], root: Path = HOST) -> tuple[str, ...]:
    """Return the operations that show files and directories read-only, each at its path.

    Where a link leads to one, it is also shown at the link's end: programs ask for real paths. What is below
    the directories of base programs is theirs, those of ``root``.
    """
    places: dict[str, str] = {}
    for path in paths:
        real = os.path.realpath(path)
        places |= {str(path): real, real: real}
    words: list[str] = []
    kept: list[str] = []
    for place in sorted(places):
        if not _is_below(place, _base_folders(root)) and not _is_below(place, kept):
            words += ("ro", places[place], place)
            kept.append(place)
    return tuple(words)


@functools.cache
def _base_folders(root: Path) -> tuple[str, ...]:
    return tuple(f"/{name}" for name in _PROGRAMS if (root / name).is_dir())


def _is_below(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(f"{folder}/") for folder in folders)
