"""Errors of a host that can't do what is asked: exit 4."""

from mpforge.errors.base import ExitCode, MpforgeError


class HostCannot(MpforgeError):
    """This host can't do what the spec asks; the hint says what would make it able."""

    code = "host-cannot"
    exit_code = ExitCode.HOST_CANNOT


class NotAvailableYet(HostCannot):
    """The spec's vocabulary has it, this version of mpforge does not build it."""

    code = "not-available-yet"


class NoStrategy(HostCannot):
    """No strategy can build this target here; ``why`` has each one's reason."""

    code = "no-strategy"


class NoHostPython(HostCannot):
    """A CPython of the wanted minor version, or its headers, can't be had on this host."""

    code = "no-host-python"


class NoEmulator(HostCannot):
    """The target's programs can't be run here and no emulator can be obtained."""

    code = "no-emulator"


class NoTargetPython(HostCannot):
    """No provider has a Python of this version for the target."""

    code = "no-target-python"


class ToolUnavailable(HostCannot):
    """A tool that is needed can't be found or obtained on this host."""

    code = "tool-unavailable"


class IndexUnreachable(HostCannot):
    """The package index, a mirror or an archive did not answer."""

    code = "index-unreachable"


class PinGone(HostCannot):
    """A pinned thing that its origin no longer has, and the store neither."""

    code = "pin-gone"


class HashMismatch(HostCannot):
    """What an origin sent is not what the lock pins."""

    code = "hash-mismatch"


class NoEngine(HostCannot):
    """No container engine answers."""

    code = "no-engine"


class EngineCannotRun(HostCannot):
    """The container engine does not run programs of a platform: there is no emulator for it."""

    code = "engine-cannot-run"


class ImageUnknown(HostCannot):
    """There is no image of that name, neither with the engine nor in its registry."""

    code = "image-unknown"


class ImageUnfit(HostCannot):
    """An image is not what a step needs: of another platform, or without the Python."""

    code = "image-unfit"


class RegistryUnreachable(HostCannot):
    """A registry of images did not answer, or not so that it can be understood."""

    code = "registry-unreachable"


class RegistryDenies(HostCannot):
    """A registry of images wants other credentials than there are."""

    code = "registry-denies"


class FileTrouble(HostCannot):
    """The file system refuses what mpforge must do: read-only, no permission, a file in the way."""

    code = "file-trouble"
