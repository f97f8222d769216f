"""The compilers that build a target's own Python: zig, as the lock pins it."""

import os
from collections.abc import Mapping
from pathlib import Path

from mpforge.kinds.toolbox import Toolbox
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.requirements import name_of
from mpforge.plan.toolchains import Compilers, HostZig
from mpforge.platforms import Platform, by_machine

_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"
_ZIG = "ziglang"


class TargetCompilers:
    """zig for a target's oldest policy, as a provider of Pythons takes it (``CrossCompilers``)."""

    def __init__(self, toolbox: Toolbox, platform: Platform) -> None:
        self._toolbox = toolbox
        zig = HostZig(_zig_request(toolbox), cross=True)
        self._compilers = Compilers(zig, platform.name, platform.default_policy, python=None)

    def parts(self) -> Mapping[str, str]:
        """Return zig, without the programs that call it: their changes are no reason for another Python."""
        parts = self._toolbox.compiler_parts(self._compilers)
        return {name: value for name, value in parts.items() if name.startswith("toolchain.zig")}

    def environment(self, directory: Path) -> Mapping[str, str]:
        """Return the variables of a build in ``directory``; zig and its C library are fetched if need be."""
        ready = self._toolbox.compilers(self._compilers, ("c",), directory)
        return {
            "PATH": ":".join([*ready.path, _PROGRAMS]),
            "HOME": str(directory),
            "LC_ALL": "C",
            **ready.variables,
        }


def _zig_request(toolbox: Toolbox) -> EnvironmentRequest:
    """Return the lock's request for zig, or one for any version if there is none."""
    machine = by_machine(os.uname().machine)
    host = machine.name if machine else os.uname().machine
    for pin in toolbox.tools.pins.lock.environments:
        wanted = pin.request.requirements
        if pin.request.platform == host and len(wanted) == 1 and name_of(wanted[0]) == _ZIG:
            return pin.request
    return EnvironmentRequest("tool", "cp311", host, (_ZIG,))
