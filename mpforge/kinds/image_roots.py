"""Provide images to a session's steps without a container runtime: as root file systems on this host.

Knows nothing of what a step does in one.
"""

import functools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import HostCannot, NoContainerRuntime, PinMissing, RuntimeCannotRun
from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.kinds.before_all import BeforeAll
from mpforge.kinds.container_runtime import ZIG
from mpforge.kinds.target_machines import Machines
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain import emulators
from mpforge.obtain.pins import Pins
from mpforge.places.containers import image_tree, images, root_probe, runtime_probe
from mpforge.places.containers.container_step import STEP
from mpforge.places.containers.image_root import ImageRoot
from mpforge.places.containers.image_tree import ImageTree
from mpforge.places.containers.runtime_probe import NATIVE, THIS_HOST
from mpforge.places.isolation import NO_ROOTS, Isolation, isolation
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.platforms import Platform, well_known
from mpforge.store.process_homes import Home
from mpforge.store.stamps import stamp
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.toolchains.zig_in_image import ProvidedZigInImage

_OWN, _KERNELS = "own", "kernel"
"""Which handler starts the emulator: mpforge's, or the kernel's."""


@dataclass(frozen=True)
class ImageHere:
    """An image as a tree of the tool store; ``name`` is the spec's, ``platform`` that of its programs."""

    roots: "ImageRoots"
    tree: ImageTree
    name: str
    platform: Platform

    @property
    def id(self) -> str:
        """The digest of its configuration, or the key of its layer."""
        return self.tree.id

    @property
    def environment(self) -> Mapping[str, str]:
        """Its variables."""
        return self.tree.environment

    def prepare(self, zig: "ProvidedZigInImage") -> None:
        """Do nothing: the compiler is mounted."""

    def asked(self) -> ImageRoot:
        """Open a root in which the image is asked for its contents."""
        return self._root(network=False)

    def opened(self, task: Task, zig: "ProvidedZigInImage | None") -> ImageRoot:
        """Open a root for a step, which shares the step's directory."""
        root = self._root(network=task.step.network, shared=(task.directory.root, STEP))
        if zig is not None:
            root.show(zig.zig().path.parent, ZIG)
        return root

    def with_layer(self, task: Task, before: BeforeAll) -> "ImageHere":
        """Return the image with the changes of ``before-all``; one session makes them, others wait."""
        key = before.key(self.id)

        def make(folder: Path) -> None:
            with self._root(network=before.place.network) as root:
                before.run(root, task)
                made = image_tree.write(folder, f"sha256:{key}", self.environment)
                root.write_to(made)

        what = f"before-all of {self.name}, once"
        store = self.roots.toolbox.store.telling(lambda: self.roots.toolbox.reporter.working(what))
        name = f"rootfs-{self.platform.name}-layer"
        tree = image_tree.derived(name, "before-all", key, store, make)
        return replace(self, tree=tree)

    def _root(self, *, network: bool, shared: tuple[Path, str] | None = None) -> ImageRoot:
        _required()
        return ImageRoot(
            self.tree,
            self.roots.home.new(),
            network=network,
            called=self.name,
            emulator=self.roots.emulator(self.platform),
            shared=shared,
        )


class ImageRoots:
    """The images of a session's steps, without a container runtime."""

    def __init__(
        self, workspace: Workspace, pins: Pins, toolbox: Toolbox, machines: Machines
    ) -> None:
        self.toolbox = toolbox
        self._cache = workspace.cache
        self._pins = pins
        self._machines = machines
        self._probes = runtime_probe.Probes(self._cache / PLATFORMS_RUN)

    @functools.cached_property
    def home(self) -> Home:
        """The directory of this process for roots, on the file system of the images."""
        return Home(self._cache / "store" / "work")

    @property
    def isolation(self) -> Isolation:
        """The isolation of programs, as far as this host allows. Raises ``NoContainerRuntime``."""
        return _required()

    def pin(self, request: ImageRequest) -> ImagePin:
        """Return an image's pin; its registry is asked for one that is not in the lock."""
        return self._pins.image(request, lambda: images.resolve(None, request))

    def image(self, request: ImageRequest) -> ImageHere:
        """Return the image, downloaded if the tool store lacks it. As ``image_tree.obtain``."""
        what = f"the image {request.name} for {request.platform}"
        store = self.toolbox.store.telling(
            lambda: self.toolbox.reporter.working(f"downloading {what}")
        )
        tree = image_tree.obtain(self.pin(request), store)
        return ImageHere(self, tree, request.name, well_known()[request.platform])

    def is_prepared(self, key: str) -> bool:
        """Return whether the preparation of a key is remembered. It may have been removed since."""
        return self._probes.was_prepared(THIS_HOST, key)

    def remember(self, key: str) -> None:
        """Remember that the preparation of a key is done."""
        self._probes.remember_prepared(THIS_HOST, key)

    def how(self, platform: Platform) -> str:
        """Return ``native``, or QEMU's version, for a platform. Raises ``RuntimeCannotRun``."""
        return self._way(platform).partition(" ")[2]

    def emulator(self, platform: Platform) -> tuple[str, ...]:
        """Return the launcher's arguments for the platform's emulator, if mpforge's own handler starts it.

        Natively, for the name of its machine.
        """
        if platform.is_small and self.how(platform) == NATIVE:
            return root_probe.LINUX32
        if self._way(platform).partition(" ")[0] != _OWN:
            return ()
        return root_probe.emulator(self._machines.static_emulator(platform).path, platform)

    @functools.cache  # noqa: B019 - it lives as long as its session
    def _way(self, platform: Platform) -> str:
        """Return whose handler starts the platform's programs, and the emulator's version text."""
        name = f"{platform.name} {_stamp(platform)}".strip()
        found = self._probes.remembered(THIS_HOST, name)
        if not found:
            _required()
            found = self._probed(platform)
            self._probes.remember(THIS_HOST, name, found)
        return found

    def _probed(self, platform: Platform) -> str:
        by_kernel = root_probe.ask(platform)
        if by_kernel == NATIVE:
            return f"{_KERNELS} {NATIVE}"
        why = "this kernel has no binfmt_misc for user namespaces, which Linux 6.7 added"
        try:
            path = self._machines.static_emulator(platform).path
            own = root_probe.ask(platform, root_probe.emulator(path, platform))
        except (HostCannot, PinMissing) as error:
            own, why = "", error.what
        if not own and not by_kernel:
            raise RuntimeCannotRun(
                f"this host does not run programs of {platform.name}, which the image has",
                why=f"{why}; and none of its own handlers has the flag F",
                hint="install QEMU and its handlers: apt-get install qemu-user-static binfmt-support "
                "(Debian, Ubuntu)",
            )
        return f"{_OWN} {own}" if own else f"{_KERNELS} {by_kernel}"


def _required() -> Isolation:
    """Return this host's isolation. Raises ``NoContainerRuntime`` if that can't isolate files."""
    found = isolation()
    if not found.has_root:
        raise NoContainerRuntime(
            f"images can't run without a container runtime here: {NO_ROOTS}",
            why=found.why,
            hint="; or ".join(filter(None, (found.remedy, "install Docker or Podman"))),
        )
    return found


def _stamp(platform: Platform) -> str:
    """Return a text that changes with this host's emulator of a platform."""
    for name in emulators.program_names(platform):
        if (found := shutil.which(name)) is not None:
            return f"{found} {stamp(found)}"
    return ""
