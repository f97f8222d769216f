"""Errors of a host that can't do what the spec asks: exit 4."""

from mpforge.errors.base import ExitCode, MpforgeError


class HostCannot(MpforgeError, code="host-cannot"):
    """This host can't do what the spec asks; the hint says what would make it able."""

    exit_code = ExitCode.HOST_CANNOT


class NotAvailableYet(HostCannot, code="not-available-yet"):
    """A feature of the spec's vocabulary that this version of mpforge does not build yet."""


class NoStrategy(HostCannot, code="no-strategy"):
    """No strategy can build this target here; ``why`` has each one's reason."""


class NoHostPython(HostCannot, code="no-host-python"):
    """A CPython of the wanted minor version, or its headers, is not available on this host."""


class NoEmulator(HostCannot, code="no-emulator"):
    """The target's programs can't be run here and no emulator can be obtained."""


class NoTargetPython(HostCannot, code="no-target-python"):
    """No provider has a Python of this version for the target."""


class ToolUnavailable(HostCannot, code="tool-unavailable"):
    """A tool that is needed can't be found or obtained on this host."""


class IndexUnreachable(HostCannot, code="index-unreachable"):
    """The package index, a mirror or an archive did not answer."""


class PinGone(HostCannot, code="pin-gone"):
    """A pinned file is gone from its origin, and is not in the store."""


class HashMismatch(HostCannot, code="hash-mismatch"):
    """A download has another hash than the lock pins."""


class NoContainerRuntime(HostCannot, code="no-engine"):
    """No container runtime answers."""


class RuntimeCannotRun(HostCannot, code="engine-cannot-run"):
    """The container runtime does not run programs of a platform: it has no emulator for it."""


class ImageUnknown(HostCannot, code="image-unknown"):
    """Neither the runtime nor the registry has an image of that name."""


class ImageUnfit(HostCannot, code="image-unfit"):
    """An image does not fit a step: it is for another platform, or lacks the Python."""


class RegistryUnreachable(HostCannot, code="registry-unreachable"):
    """An image registry did not answer, or sent an invalid answer."""


class RegistryDenies(HostCannot, code="registry-denies"):
    """An image registry denies access with the available credentials."""


class FileTrouble(HostCannot, code="file-trouble"):
    """A file operation failed: a read-only file system, no permission, a file in the way."""
