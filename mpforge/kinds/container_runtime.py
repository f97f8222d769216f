"""Provide a session's container runtime: how it runs platforms, its images, and what containers are given.

Knows nothing of what a step does in a container.
"""

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import RuntimeCannotRun
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.kinds import image_layers
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.places.containers import connection, endpoint, images, runtime_probe, volumes
from mpforge.places.containers.container import Container
from mpforge.places.containers.labels import reap
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import Platform
from mpforge.toolchains import native_shell
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.places.containers.connection import ContainerRuntime
    from mpforge.places.containers.images import Image
    from mpforge.toolchains.zig_in_image import ProvidedZigInImage

_ZIG = "/mpforge/zig"


class Containers:
    """The containers of a session's steps."""

    def __init__(self, workspace: Workspace, pins: Pins, toolbox: Toolbox) -> None:
        self._cache = workspace.cache
        self._pins = pins
        self._toolbox = toolbox
        self._probes = runtime_probe.Probes(self._cache / PLATFORMS_RUN)
        self.layers = image_layers.Layers(self._cache, toolbox)

    @functools.cached_property
    def runtime(self) -> "ContainerRuntime":
        """The runtime. Raises ``NoContainerRuntime``."""
        found = connection.connect(os.environ)
        reap(found)
        return found

    def pin(self, request: ImageRequest) -> ImagePin:
        """Return an image's pin; the runtime is asked for one that is not in the lock."""
        return self._pins.image(request, lambda: images.resolve(self.runtime, request))

    def how(self, platform: Platform) -> str:
        """Return ``native``, or QEMU's version, for a platform. Raises ``RuntimeCannotRun``."""
        address = endpoint.address(os.environ) or ""
        how = self._probes.remembered(address, platform.name)
        if not how:
            how = self._probes.how(self.runtime, platform.name)
        if not how:
            architecture = (platform.docker_platform or "/all").split("/")[1]
            raise RuntimeCannotRun(
                f"the container runtime does not run programs of {platform.name}",
                why="its kernel has no handler (binfmt_misc) for them, or one without the flag F",
                hint="install handlers: apt-get install qemu-user-static binfmt-support (Debian, "
                "Ubuntu), or docker run --privileged"
                f" --rm tonistiigi/binfmt --install {architecture}; "
                "`mpforge doctor` shows details",
            )
        return how

    def is_prepared(self, key: str) -> bool:
        """Return whether the preparation of a key is remembered for this runtime.

        It may have been removed since: then a step that needs it prepares it again.
        """
        return self._probes.was_prepared(endpoint.address(os.environ) or "", key)

    def remember(self, key: str) -> None:
        """Remember that the preparation of a key is done."""
        self._probes.remember_prepared(self.runtime.endpoint, key)

    def zig(self, compilers: Compilers | None) -> "ProvidedZigInImage | None":
        """Return zig, if builds in the image call it."""
        from mpforge.toolchains.zig_in_image import ProvidedZigInImage

        found = compilers and self._toolbox.toolchain(compilers)
        return found if isinstance(found, ProvidedZigInImage) else None

    def volumes(self, provided: "ProvidedZigInImage", image: "Image") -> dict[str, str]:
        """Return the read-only mounts of each container: zig."""
        zig = provided.zig()
        volume = volumes.provide(
            self.runtime,
            f"zig-{zig.digest[:16]}",
            zig.path.parent,
            image=image.id,
            lock=self._cache / "store" / "locks" / "volumes",
            filling=self._toolbox.working(
                f"copying zig {zig.version} to the container runtime, once"
            ),
        )
        return {_ZIG: volume}

    def asked(self, image: "Image", name: str) -> Container:
        """Open a container in which an image is asked for its contents."""
        return Container(self.runtime, image.id, title=str(self._cache), called=name)


def put_zig(container: Container, provided: "ProvidedZigInImage") -> tuple[tuple[Path, str], ...]:
    """Install zig's names as native programs; return pairs of host path and container path."""
    container.put(provided.programs(), "/mpforge")
    return (
        (provided.view() / "bin", native_shell.BIN),
        (provided.zig().path.parent, _ZIG),
    )
