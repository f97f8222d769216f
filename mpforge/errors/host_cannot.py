"""Errors of a host that can't do what the spec asks: exit 4."""

from mpforge.errors.base import ExitCode, MpforgeError


class HostCannot(MpforgeError):
    """This host can't do what the spec asks; the hint says what would make it able."""

    code = "host-cannot"
    exit_code = ExitCode.HOST_CANNOT


class NotAvailableYet(HostCannot):
    """A feature of the spec's vocabulary that this version of mpforge does not build yet."""

    code = "not-available-yet"


class NoStrategy(HostCannot):
    """No strategy can build this target here; ``why`` has each one's reason."""

    code = "no-strategy"


class NoHostPython(HostCannot):
    """A CPython of the wanted minor version, or its headers, is not available on this host."""

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
    """A pinned file is gone from its origin, and is not in the store."""

    code = "pin-gone"


class HashMismatch(HostCannot):
    """A download has another hash than the lock pins."""

    code = "hash-mismatch"


class NoContainerRuntime(HostCannot):
    """No container runtime answers."""

    code = "no-engine"


class RuntimeCannotRun(HostCannot):
    """The container runtime does not run programs of a platform: it has no emulator for it."""

    code = "engine-cannot-run"


class ImageUnknown(HostCannot):
    """Neither the runtime nor the registry has an image of that name."""

    code = "image-unknown"


class ImageUnfit(HostCannot):
    """An image does not fit a step: it is for another platform, or lacks the Python."""

    code = "image-unfit"


class RegistryUnreachable(HostCannot):
    """An image registry did not answer, or sent an invalid answer."""

    code = "registry-unreachable"


class RegistryDenies(HostCannot):
    """An image registry denies access with the available credentials."""

    code = "registry-denies"


class FileTrouble(HostCannot):
    """A file operation failed: a read-only file system, no permission, a file in the way."""

    code = "file-trouble"
