"""Makes a host interpreter describe the target to what runs in a build hook.

On PYTHONPATH of build hooks only. It answers what build backends and setup scripts ask: os.uname,
platform, the multiarch name, where headers are, the C library, and word size and byte order where they
differ. importlib's suffixes stay true: the hook itself loads extension modules of the host (Cython, cffi).
"""

import os
import platform
import sys
import sysconfig

import _mpforge_target as target

_HEADERS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "include", target.HEADERS_NAME
)
_host_uname = os.uname
_host_confstr = os.confstr
_host_platform_uname = platform.uname


def _uname():
    host = _host_uname()
    return type(host)((*host[:4], target.MACHINE))


def _platform_uname():
    return _host_platform_uname()._replace(machine=target.MACHINE)


def _architecture(*_args, **_kwargs):
    return f"{target.BITS}bit", "ELF"


def _libc_ver(*_args, **_kwargs):
    return target.LIBC


def _confstr(name):
    if name in {"CS_GNU_LIBC_VERSION", os.confstr_names.get("CS_GNU_LIBC_VERSION")}:
        return " ".join(target.LIBC) if target.LIBC[0] == "glibc" else None
    return _host_confstr(name)


def _describe_target():
    os.uname = _uname
    os.confstr = _confstr
    platform.uname = _platform_uname
    platform.machine = platform.processor = lambda: target.MACHINE
    platform.architecture = _architecture
    platform.libc_ver = _libc_ver
    if (sys.maxsize.bit_length() + 1, sys.byteorder) != (target.BITS, target.ENDIAN):
        import _mpforge_layout

        _mpforge_layout.describe()
    sys.implementation._multiarch = target.MULTIARCH  # noqa: SLF001 (there is no public way)
    for scheme in sysconfig._INSTALL_SCHEMES.values():  # noqa: SLF001
        for name in ("include", "platinclude"):
            if name in scheme:
                scheme[name] = _HEADERS


def _command_line():
    if hasattr(sys, "orig_argv"):  # since CPython 3.10
        return sys.orig_argv
    with open("/proc/self/cmdline", "rb") as file:
        return os.fsdecode(file.read()).split("\0")


def _knows_both():
    """Whether this is Meson, which asks for the machine that builds and is told of the target."""
    words = [os.path.basename(word) for word in _command_line()[1:3]]
    return not {"meson", "meson.py", "mesonbuild.mesonmain"}.isdisjoint(words)


# A build may start an interpreter of another version: that one is not for the target.
if sys.version_info[:2] == target.PYTHON and sys.abiflags == target.ABIFLAGS and not _knows_both():
    try:
        _describe_target()
    except Exception as error:  # Python itself would only print it, and go on as the host
        raise SystemExit(
            f"mpforge can't describe {target.MACHINE} to this Python: {error!r}"
        ) from error
