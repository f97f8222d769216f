"""An image as a tree of the tool store: downloaded from its registry and unpacked once.

Needs no container runtime. Knows nothing of how programs run in it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import ImageUnfit, ImageUnknown, PinGone, RegistryUnreachable
from mpforge.places.containers import layers, registry
from mpforge.places.containers.container import variables
from mpforge.places.containers.registry_session import RegistrySession
from mpforge.plan.pins import ImagePin
from mpforge.store.tool_store import ToolStore

_ROOT, _FACTS = "root", "image.json"


@dataclass(frozen=True)
class ImageTree:
    """An image's root directory; ``id`` is the digest of its configuration, as for a runtime.

    ``environment`` are its variables.
    """

    id: str
    environment: Mapping[str, str]
    root: Path


def obtain(pin: ImagePin, store: ToolStore) -> ImageTree:
    """Return the pinned image, downloaded if the store lacks it.

    Raises ``ImageUnfit``, ``PinGone``, ``RegistryUnreachable``, ``RegistryDenies``, ``HashMismatch``,
    ``ArchiveRefused``, ``SourceUnreadable``.
    """
    name = pin.request.name
    if pin.is_local:
        raise ImageUnfit(
            f"the image {name} exists only in a container runtime, and this step runs without one",
            why=f"{pin.digest} is pinned by its local id",
            hint='push it to a registry and name it there, or set runtime = "engine" in [build]',
        )

    def make(folder: Path) -> None:
        try:
            _download(pin, folder)
        except ImageUnknown as error:
            host = registry.parse(name).host
            raise PinGone(
                f"{host} no longer has the image {name} that the lock pins",
                why=f"{pin.digest}; {error.why}",
                hint=f"mpforge lock --update {name}",
            ) from None
        except RegistryUnreachable as error:
            error.hint = (error.hint or "").replace("already pulled", "already downloaded")
            raise

    word = f"rootfs-{pin.request.platform}"
    tree = store.obtain(
        name=word, version=name, digest=pin.digest.removeprefix("sha256:"), make=make, modes=True
    )
    return _read(tree.path)


def derived(
    name: str, version: str, key: str, store: ToolStore, make: Callable[[Path], None]
) -> ImageTree:
    """Return the image that ``make`` makes in a folder by ``write``, kept under a key."""
    tree = store.obtain(name=name, version=version, digest=key, make=make, modes=True)
    return _read(tree.path)


def write(folder: Path, identifier: str, environment: Mapping[str, str]) -> Path:
    """Write an image's facts into a folder; return the path for its root directory."""
    text = json.dumps({"id": identifier, "environment": dict(environment)}, sort_keys=True)
    (folder / _FACTS).write_text(text, encoding="utf-8")
    return folder / _ROOT


def _read(folder: Path) -> ImageTree:
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    return ImageTree(facts["id"], facts["environment"], folder / _ROOT)


def _download(pin: ImagePin, folder: Path) -> None:
    """Download an image's layers and unpack them, one after the other."""
    at = registry.parse(pin.request.name)
    session = RegistrySession(at, pin.request.name)
    try:
        _, manifest = session.document("manifests", pin.digest)
        identifier = manifest["config"]["digest"]
        _, configuration = session.document("blobs", identifier)
        described = [(layer["digest"], int(layer["size"])) for layer in manifest["layers"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ImageUnfit(
            f"{pin.request.name} at {at.host} is not an image that mpforge can read",
            why=pin.digest,
            hint="push it again with Docker 1.10 or newer, or name another image in [build] image",
        ) from None
    registry.check_platform(configuration, pin.request)
    root = write(folder, identifier, variables({"Config": configuration.get("config")}))
    root.mkdir()
    for digest, size in described:
        archive = folder / digest.removeprefix("sha256:")
        session.download(digest, size, archive)
        layers.unpack(archive, root)
        archive.unlink()
