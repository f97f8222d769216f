"""Files that describe a target to CMake, Meson and Autoconf: a toolchain file, machine files, a site file.

With zig they hold no path: CMake's knows its own directory, Meson's name programs that are found on PATH;
other compilers are named as their surroundings name them. Sources:
cmake-toolchains(7), https://mesonbuild.com/Cross-compilation.html, Autoconf's manual ("Site Defaults",
"Hosts and Cross-Compilation"). Knows nothing of Python.
"""

import shlex
from collections.abc import Iterator, Mapping

from mpforge.platforms import MUSL, Platform
from mpforge.toolchains.templates import filled

_CROSS = """\
# What Meson is told of {triple}. Written by mpforge.
[binaries]
{programs}
pkg-config = 'pkg-config'
cmake = 'cmake'
{wrapper}
[properties]
needs_exe_wrapper = true
longdouble_format = '{long_double}'

[host_machine]
system = 'linux'
cpu_family = '{family}'
cpu = '{machine}'
endian = '{endian}'
"""
_BUILD = """\
# The compilers of the machine that builds. Written by mpforge.
[binaries]
c = 'build-cc'
cpp = 'build-c++'
"""
_BUILD_ITSELF = "# The machine that builds has what Meson finds itself. Written by mpforge.\n"
# The programs by their variables: what they are called in a view, by CMake, by Meson.
_PROGRAMS = (
    ("CC", "cc", ("C_COMPILER", "ASM_COMPILER"), "c"),
    ("CXX", "c++", ("CXX_COMPILER",), "cpp"),
    ("AR", "ar", ("AR",), "ar"),
    ("RANLIB", "ranlib", ("RANLIB",), "ranlib"),
    ("STRIP", "strip", ("STRIP",), "strip"),
    ("OBJCOPY", "objcopy", ("OBJCOPY",), "objcopy"),
)
# Many a setup.py calls ./configure without --host, which then runs what it has just compiled. With --host
# alone it says "maybe", and believes that it does not cross where the kernel starts an emulator. What a
# configure script would see by running a program of a glibc or musl target is told here.
_SITE = """\
# What configure scripts are told of {triple}. Written by mpforge.
if test "x$host_alias" = x; then
  cross_compiling=yes
  ac_cv_host={canonical}
elif test "x$cross_compiling" = xmaybe; then
  cross_compiling=yes
fi
ac_cv_func_calloc_0_nonnull=yes
ac_cv_func_malloc_0_nonnull=yes
ac_cv_func_realloc_0_nonnull=yes
"""
# libtool tries a static link, for which zig would build all of musl in each step.
_SITE_MUSL = "lt_cv_prog_compiler_static_works=no\n"

CMAKE = "cmake/toolchain.cmake"
CONFIG_SITE = "autoconf/config.site"
MESON_CROSS = "meson/cross.ini"
MESON_EMULATED = "meson/emulated.ini"
MESON_BUILD = "meson/build.ini"


def texts(platform: Platform, tools: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the files by their paths in a view. Meson gets two that describe the target:
    one names the emulator (``bin/mpforge-run``), for builds that have one.

    ``tools`` are the compilers' names by their variables, None: they are in the view's ``bin/``.
    """
    cross = {
        "programs": "\n".join(_meson_programs(tools)),
        "triple": platform.gnu_triple,
        "family": platform.cpu_family,
        "machine": platform.machine,
        "endian": platform.endian,
        "long_double": platform.long_double,
    }
    cmake = {
        "TRIPLE": platform.gnu_triple,
        "MACHINE": platform.machine,
        "MULTIARCH": platform.multiarch,
        "PROGRAMS": "\n".join(_cmake_programs(tools)),
    }
    canonical = platform.gnu_triple.replace("-", "-unknown-", 1)  # as config.sub: with a vendor
    return {
        CMAKE: filled("toolchain.cmake", cmake),
        CONFIG_SITE: _SITE.format(triple=platform.gnu_triple, canonical=canonical)
        + (_SITE_MUSL if platform.libc is MUSL else ""),
        MESON_CROSS: _CROSS.format(**cross, wrapper=""),
        MESON_EMULATED: _CROSS.format(**cross, wrapper="exe_wrapper = 'mpforge-run'\n"),
        MESON_BUILD: _BUILD if tools is None else _BUILD_ITSELF,
    }


def _meson_programs(tools: Mapping[str, str] | None) -> Iterator[str]:
    for variable, name, _, meson in _PROGRAMS:
        if tools is None:
            yield f"{meson} = '{name}'"
        elif tools.get(variable):
            words = ", ".join(f"'{word}'" for word in shlex.split(tools[variable]))
            yield f"{meson} = [{words}]"


def _cmake_programs(tools: Mapping[str, str] | None) -> Iterator[str]:
    for variable, name, settings, _ in _PROGRAMS:
        if tools is not None and not tools.get(variable):
            continue
        words = ["${MPFORGE_VIEW}/bin/" + name] if tools is None else shlex.split(tools[variable])
        for setting in settings:
            kept = "" if setting.endswith("COMPILER") else ' CACHE FILEPATH "mpforge\'s"'
            yield f'set(CMAKE_{setting} "{";".join(words)}"{kept})'
