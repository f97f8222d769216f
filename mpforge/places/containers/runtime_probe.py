"""Probe how a runtime runs each platform: natively, by which QEMU, or not at all.

Needs no privilege: the probe's image contains only a hundred bytes of ELF for each machine, each of which
exits with 42. QEMU's user mode prints its version instead, as QEMU_VERSION is set; a native machine ignores
it. A runtime runs an image of another platform without a message, so builds in one ask here first.
"""

import contextlib
import hashlib
import io
import json
import platform as platforms
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mpforge.errors import RuntimeLost, RuntimeRefuses
from mpforge.formats.tar import tarfile
from mpforge.places.containers import binfmt
from mpforge.places.containers.connection import ContainerRuntime, nature, refusal, speaking
from mpforge.places.containers.labels import IMAGE_LABEL, LABEL, TITLE, own_mark
from mpforge.platforms import Platform, glibc_platforms, well_known
from mpforge.store import notes
from mpforge.store.stamps import stamp

EXITS = 42
_SECONDS = 30
_ELSEWHERE_SECONDS = 3600.0
NATIVE = "native"
THIS_HOST = "this host"
"""In place of a runtime's address: programs run in mpforge's sandbox."""
NAMELESS = "an unknown emulator"


PROBED = tuple(platform.name for platform in glibc_platforms())
"""The platforms with a probe; those of musl run like glibc's."""


def program(platform: Platform) -> bytes:
    """Return an ELF program for a platform that exits with 42."""
    wide, little = platform.bits == 64, platform.endian == "little"
    header, entry_size = (64, 56) if wide else (52, 32)
    base = 0x400000 if wide else 0x10000
    entry, size = base + header + entry_size, header + entry_size + len(platform.exit_42)
    ident = b"\x7fELF" + bytes([platform.bits // 32, 1 if little else 2, 1, 0]) + bytes(8)
    word, order = "Q" if wide else "I", "<" if little else ">"
    fields = (
        *(2, platform.elf_number, 1, entry, header, 0),
        *(platform.elf_flags, header, entry_size, 1, 0, 0, 0),
    )
    head = ident + struct.pack(f"{order}HHI{word * 3}IHHHHHH", *fields)
    if wide:
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    else:
        segment = struct.pack(f"{order}8I", 1, 0, base, base, size, size, 5, 0x10000)
    return head + segment + platform.exit_42


def _packed(files: Mapping[str, bytes], mode: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _image(runtime: ContainerRuntime) -> str:
    """Return the tag of the probe's image, created in the runtime if need be."""
    layer = _packed({one.name: program(one) for one in glibc_platforms()}, 0o755)
    configuration = {
        "architecture": well_known()[runtime.platform].docker_architecture,
        "os": "linux",
        "config": {"Labels": {IMAGE_LABEL: "probe"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "mpforge"}],
    }
    text = json.dumps(configuration, sort_keys=True).encode()
    name = hashlib.sha256(text).hexdigest()
    tag = f"mpforge-probe:{name[:12]}"
    listing = [{"Config": f"{name}.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {
        f"{name}.json": text,
        "layer.tar": layer,
        "manifest.json": json.dumps(listing).encode(),
    }
    with speaking("load the image of a probe"):
        if not runtime.client.api.images(name=tag):
            for line in runtime.client.api.load_image(_packed(files, 0o644)) or ():
                if "error" in line:
                    raise refusal("load the image of a probe", str(line["error"]))
    return tag


def ask(runtime: ContainerRuntime, platform: str, *, title: str = "") -> str:
    """Return how the runtime runs a platform: ``native``, QEMU's version text, or empty if it can't.

    ``title`` describes the container for people. Raises ``RuntimeLost``, and ``RuntimeRefuses`` if it
    starts no program at all. Empty for a platform without a probe, too.
    """
    name = platform.removesuffix("_musl")
    if name not in PROBED:
        return ""
    try:
        code, said = _run(runtime, _image(runtime), name, title)
    except RuntimeRefuses:
        if name == runtime.platform:
            raise
        ask(runtime, runtime.platform, title=title)
        return ""
    if code == EXITS:
        own = (name, well_known()[name].native_on)
        return NATIVE if runtime.platform in own else NAMELESS
    return said.partition("\n")[0].strip() if code == 0 else ""


def _run(runtime: ContainerRuntime, image: str, name: str, title: str) -> tuple[int, str]:
    """Run one probe; return its exit status and output."""
    api = runtime.client.api
    with speaking("run a probe"):
        made = api.create_container(
            image,
            [f"/{name}"],
            environment={"QEMU_VERSION": "1"},
            labels={LABEL: own_mark(), TITLE: title},
            host_config=api.create_host_config(network_mode="none", init=True),  # as all of ours
        )
    try:
        with speaking("run a probe"):
            api.start(made["Id"])
            code = int(api.wait(made["Id"], timeout=_SECONDS)["StatusCode"])
            return code, api.logs(made["Id"]).decode("utf-8", "replace")
    finally:
        with contextlib.suppress(RuntimeLost, RuntimeRefuses), speaking("remove a probe"):
            api.remove_container(made["Id"], force=True)


class Probes:
    """Results of probing runtimes, and records of preparations made in them.

    They are remembered in a file while a runtime is unchanged: a local one as long as its socket and the
    kernel's handlers are. A remote runtime can't be checked without asking it, and its id does not help:
    Docker keeps it when handlers change, Podman has another one at each call. So its results are valid for
    an hour.
    """

    def __init__(
        self,
        remembered: Path,
        *,
        handlers: Path = binfmt.ROOT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = remembered
        self._handlers = handlers
        self._clock = clock

    def how(self, runtime: ContainerRuntime, platform: str) -> str:
        """Return ``ask``'s answer, remembered unless the platform did not run. Raises as ``ask``."""
        known = self._known(runtime.endpoint, "platforms")
        if not known.get(platform):
            identity = self._identity(runtime.endpoint)
            known[platform] = ask(runtime, platform, title=str(self._path))
            here = nature(runtime).here
            self._remember(runtime.endpoint, identity, {"platforms": known, "here": here})
        return known[platform]

    def anew(self, runtime: ContainerRuntime, platforms: Iterable[str]) -> dict[str, str]:
        """Call ``ask`` for each platform and forget all other results. Raises as ``ask``."""
        identity = self._identity(runtime.endpoint)
        found = {name: ask(runtime, name, title=str(self._path)) for name in platforms}
        new = {"platforms": found, "here": nature(runtime).here, "asked": self._clock()}
        self._remember(runtime.endpoint, identity, new)
        return found

    def remembered(self, endpoint: str, platform: str) -> str | None:
        """Return a runtime's remembered result for a platform without asking it, or None."""
        return self._known(endpoint, "platforms").get(platform)

    def remember(self, endpoint: str, platform: str, how: str) -> None:
        """Remember a result for a platform; it is of this machine."""
        identity = self._identity(endpoint)
        known = {**self._known(endpoint, "platforms"), platform: how}
        self._remember(endpoint, identity, {"platforms": known, "here": True})

    def was_prepared(self, endpoint: str, key: str) -> bool:
        """Return whether the preparation with this key was made."""
        return key in self._known(endpoint, "prepared")

    def remember_prepared(self, endpoint: str, key: str) -> None:
        """Record that the preparation with this key was made."""
        known = {**self._known(endpoint, "prepared"), key: ""}
        self._remember(endpoint, self._identity(endpoint), {"prepared": known})

    def _entry(self, endpoint: str) -> dict[str, Any]:
        """Return the record of a runtime if it is unchanged, else an empty one."""
        try:
            entry = dict(self._table()[endpoint])
            young = entry["here"] or 0 <= self._clock() - entry["asked"] < _ELSEWHERE_SECONDS
            return entry if young and entry["identity"] == self._identity(endpoint) else {}
        except (KeyError, TypeError, ValueError):
            return {}

    def _known(self, endpoint: str, what: str) -> dict[str, str]:
        found = self._entry(endpoint).get(what)
        return dict(found) if isinstance(found, dict) else {}

    def _table(self) -> dict[str, Any]:
        table = notes.load(self._path)
        return table if isinstance(table, dict) else {}

    def _remember(self, endpoint: str, identity: list[str], new: Mapping[str, object]) -> None:
        """Add to a runtime's record; ``identity`` is from before the runtime was asked."""
        first = {"here": False, "asked": self._clock()}
        entry = {**first, **self._entry(endpoint), "identity": identity, **new}
        notes.keep(self._path, {**self._table(), endpoint: entry})

    def _identity(self, endpoint: str) -> list[str]:
        """Return values that change with a runtime, without a request to it."""
        words = [endpoint]
        if endpoint == THIS_HOST:
            words += [platforms.release(), *binfmt.identity(self._handlers)]
        elif endpoint.startswith("unix://"):
            words.append(str(stamp(endpoint.removeprefix("unix://"))))
            words += binfmt.identity(self._handlers)
        return words
