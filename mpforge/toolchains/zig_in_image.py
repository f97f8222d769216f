"""The host's zig, called from builds in a target image, where its compiler names are native programs."""

from pathlib import Path

from mpforge.toolchains import native_shell
from mpforge.toolchains.host_zig import ProvidedZig, this_machine


class ProvidedZigInImage(ProvidedZig):
    """zig for one target, with the programs that call it in an image."""

    of_host = False

    def parts(self) -> dict[str, str]:
        """Return its ingredients, with the programs that call it."""
        return super().parts() | native_shell.parts(" ".join(self.pin.packages[0].hashes))

    def programs(self) -> Path:
        """Return the native programs for a container's /mpforge, created if needed."""
        making = self._tools.working("making native programs for containers, once")
        return native_shell.provide(self.zig(), this_machine(), self._tools.store, making)
