"""Provide a session's container runtime: how it runs platforms, its images, and what containers are given.

Knows nothing of what a step does in a container.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import RuntimeCannotRun
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.kinds.before_all import BeforeAll
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain.pins import Pins
from mpforge.places.containers import connection, endpoint, images, runtime_probe, volumes
from mpforge.places.containers.container import Container, Mount
from mpforge.places.containers.image_root import AnyContainer
from mpforge.places.containers.images import Image
from mpforge.places.containers.labels import reap
from mpforge.places.isolation import Isolation
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import Platform, well_known
from mpforge.store.locks import alone
from mpforge.toolchains import native_shell
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.toolchains.zig_in_image import ProvidedZigInImage

ZIG = "/mpforge/zig"
"""The place of zig in a container."""


@dataclass(frozen=True)
class ImageInRuntime:
    """An image that the runtime has; ``name`` is the spec's. Its ``id`` identifies its content."""

    containers: "Containers"
    found: Image
    name: str
    platform: Platform

    @property
    def id(self) -> str:
        """The runtime's id of it."""
        return self.found.id

    @property
    def environment(self) -> Mapping[str, str]:
        """Its variables."""
        return self.found.environment

    def prepare(self, zig: "ProvidedZigInImage") -> None:
        """Copy the compiler to the runtime."""
        self.containers.zig(zig, self.found)

    def asked(self) -> Container:
        """Open a container in which the image is asked for its contents."""
        return self.containers.asked(self.found, self.name, self.platform)

    def opened(self, task: Task, zig: "ProvidedZigInImage | None") -> Container:
        """Open a container for a step."""
        return Container(
            self.containers.runtime,
            self.id,
            network=task.step.network,
            mounts=() if zig is None else (self.containers.zig(zig, self.found),),
            title=str(task.directory.root),
            called=self.name,
            linux32=self.containers.linux32(self.platform),
        )

    def with_layer(self, task: Task, before: BeforeAll) -> "ImageInRuntime":
        """Return the image with the layer of ``before-all``. As ``Containers.with_layer``."""
        return replace(self, found=self.containers.with_layer(task, self.found, before))


class Containers:
    """The containers of a session's steps, by the container runtime."""

    isolation = Isolation("whole")

    def __init__(self, workspace: Workspace, pins: Pins, toolbox: Toolbox) -> None:
        self._cache = workspace.cache
        self._pins = pins
        self._toolbox = toolbox
        self._probes = runtime_probe.Probes(self._cache / PLATFORMS_RUN)
        self._layers: dict[str, Image] = {}

    @functools.cached_property
    def runtime(self) -> connection.ContainerRuntime:
        """The runtime. Raises ``NoContainerRuntime``."""
        found = connection.connect(os.environ)
        reap(found)
        return found

    def pin(self, request: ImageRequest) -> ImagePin:
        """Return an image's pin; the runtime is asked for one that is not in the lock."""
        return self._pins.image(request, lambda: images.resolve(self.runtime, request))

    def image(self, request: ImageRequest) -> ImageInRuntime:
        """Return the image, pulled if the runtime lacks it. As ``images.obtain``."""
        found = images.obtain(self.runtime, self.pin(request), self._toolbox.reporter.working)
        return ImageInRuntime(self, found, request.name, well_known()[request.platform])

    def how(self, platform: Platform) -> str:
        """Return ``native``, or QEMU's version, for a platform. Raises ``RuntimeCannotRun``."""
        address, name = endpoint.address(os.environ) or "", platform.name
        how = self._probes.remembered(address, name) or self._probes.how(self.runtime, name)
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

    def zig(self, provided: "ProvidedZigInImage", image: Image) -> Mount:
        """Return the mount of zig, which is copied to the runtime once."""
        zig = provided.zig()
        volume = volumes.provide(
            self.runtime,
            f"zig-{zig.digest[:16]}",
            zig.path.parent,
            image=image.id,
            lock=self._cache / "store" / "locks" / "volumes",
            filling=self._toolbox.reporter.working(
                f"copying zig {zig.version} to the container runtime, once"
            ),
        )
        return Mount(volume, ZIG)

    def linux32(self, platform: Platform) -> bool:
        """Return whether uname(2) must be told to name the platform's 32-bit machine (personality(2))."""
        return platform.is_small and self.how(platform) == runtime_probe.NATIVE

    def asked(self, image: Image, name: str, platform: Platform) -> Container:
        """Open a container in which an image is asked for its contents."""
        small = self.linux32(platform)
        return Container(self.runtime, image.id, title=str(self._cache), called=name, linux32=small)

    def with_layer(self, task: Task, image: Image, before: BeforeAll) -> Image:
        """Return the image with the layer of ``before-all``; one session makes it, others wait.

        Raises ``StepTimeout``, and as ``diagnosed`` says.
        """
        place, key = before.place, before.key(image.id)
        if key in self._layers:
            return self._layers[key]

        def make() -> Container:
            container = Container(
                self.runtime,
                image.id,
                network=place.network,
                title=str(task.directory.root),
                called=place.image.name,
                linux32=self.linux32(well_known()[place.image.platform]),
            )
            try:
                with self._toolbox.reporter.working(f"before-all of {place.image.name}, once"):
                    before.run(container, task)
            except BaseException:  # an interrupt too: it is handed to nobody
                container.close()
                raise
            return container

        lock = self._cache / "store" / "locks" / f"layer-{key}"
        waits = functools.partial(self._toolbox.reporter.waits, "before-all")
        with alone(lock, waits=waits, warn=self._toolbox.reporter.warn_once):
            self._layers[key] = images.layer(self.runtime, image, key, make)
        return self._layers[key]


def zig_of(toolbox: Toolbox, compilers: Compilers | None) -> "ProvidedZigInImage | None":
    """Return zig, if builds in an image call it."""
    from mpforge.toolchains.zig_in_image import ProvidedZigInImage

    found = compilers and toolbox.toolchain(compilers)
    return found if isinstance(found, ProvidedZigInImage) else None


def put_zig(
    container: AnyContainer, provided: "ProvidedZigInImage"
) -> tuple[tuple[Path, str], ...]:
    """Install zig's names as native programs; return pairs of host path and container path."""
    programs = provided.programs()
    container.show(programs / "native", native_shell.NATIVE)
    container.show(programs / "bin", native_shell.BIN)
    return (
        (provided.view() / "bin", native_shell.BIN),
        (provided.zig().path.parent, ZIG),
    )
