"""What an engine runs: each platform natively, by which QEMU, or not at all.

Asked without privilege: an image of nothing but a hundred bytes of ELF for each machine, each of which
exits with 42. QEMU's user mode prints its version instead, as QEMU_VERSION is set; a native machine does
not care. An image of another platform is run without a word, so whoever builds in one asks here first.
"""

import contextlib
import hashlib
import io
import json
import os
import struct
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mpforge.errors import EngineLost, EngineRefuses
from mpforge.places.containers import binfmt
from mpforge.places.containers.connection import Engine, nature, refusal, speaking
from mpforge.places.containers.labels import IMAGE_LABEL, LABEL, TITLE, own_mark
from mpforge.platforms import Platform, glibc_platforms, well_known
from mpforge.store import notes

_EXITS = 42
_SECONDS = 30
_ELSEWHERE_SECONDS = 3600.0
NATIVE = "native"
_NAMELESS = "an emulator that does not say its name"


PROBED = tuple(platform.name for platform in glibc_platforms())
"""The platforms that can be asked for; those of musl are run as glibc's."""


def program(platform: Platform) -> bytes:
    """An ELF file for a platform that exits with 42."""
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


def _image(engine: Engine) -> str:
    """The probe's image with the engine; its tag."""
    layer = _packed({one.name: program(one) for one in glibc_platforms()}, 0o755)
    configuration = {
        "architecture": well_known()[engine.platform].docker_architecture,
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
        if not engine.client.api.images(name=tag):
            for line in engine.client.api.load_image(_packed(files, 0o644)) or ():
                if "error" in line:
                    raise refusal("load the image of a probe", str(line["error"]))
    return tag


def ask(engine: Engine, platform: str, *, title: str = "") -> str:
    """How the engine runs a platform: ``native``, QEMU's own words, or empty where it can't.

    ``title`` tells people what the container is for. Raises ``EngineLost``, and ``EngineRefuses`` where it
    starts no program at all. A platform that there is no probe for is said to be not run.
    """
    name = platform.removesuffix("_musl")
    if name not in PROBED:
        return ""
    try:
        code, said = _run(engine, _image(engine), name, title)
    except EngineRefuses:
        if name == engine.platform:
            raise
        ask(engine, engine.platform, title=title)
        return ""
    if code == _EXITS:
        own = (name, well_known()[name].native_on)
        return NATIVE if engine.platform in own else _NAMELESS
    return said.partition("\n")[0].strip() if code == 0 else ""


def _run(engine: Engine, image: str, name: str, title: str) -> tuple[int, str]:
    """Run one probe; its exit status and what it printed."""
    api = engine.client.api
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
        with contextlib.suppress(EngineLost, EngineRefuses), speaking("remove a probe"):
            api.remove_container(made["Id"], force=True)


class Probes:
    """What engines were found to run, and what was made ready with them.

    It is remembered in a file, for as long as an engine stays the same: one on this machine, as long as its
    socket and the kernel's handlers do. Of one elsewhere there is no sign that could be read without asking
    it, and its own id is none: Docker keeps it when handlers change, Podman has another one at each call. So
    that is believed for an hour.
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

    def how(self, engine: Engine, platform: str) -> str:
        """As ``ask``, asked once; a platform that was not run is asked for again. Raises as ``ask``."""
        known = self._known(engine.endpoint, "platforms")
        if not known.get(platform):
            identity = self._identity(engine.endpoint)
            known[platform] = ask(engine, platform, title=str(self._path))
            here = nature(engine).here
            self._remember(engine.endpoint, identity, {"platforms": known, "here": here})
        return known[platform]

    def anew(self, engine: Engine, platforms: Iterable[str]) -> dict[str, str]:
        """As ``ask`` for each; no other is known from now on. Raises as ``ask``."""
        identity = self._identity(engine.endpoint)
        found = {name: ask(engine, name, title=str(self._path)) for name in platforms}
        new = {"platforms": found, "here": nature(engine).here, "asked": self._clock()}
        self._remember(engine.endpoint, identity, new)
        return found

    def remembered(self, endpoint: str, platform: str) -> str | None:
        """What is known of an engine without asking it; None: nothing."""
        return self._known(endpoint, "platforms").get(platform)

    def was_prepared(self, endpoint: str, key: str) -> bool:
        """Whether something was made ready, known by a key."""
        return key in self._known(endpoint, "prepared")

    def remember_prepared(self, endpoint: str, key: str) -> None:
        """Something is ready."""
        known = {**self._known(endpoint, "prepared"), key: ""}
        self._remember(endpoint, self._identity(endpoint), {"prepared": known})

    def _entry(self, endpoint: str) -> dict[str, Any]:
        """What is known of an engine that is still the same."""
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
        """Add to what is known; ``identity`` is from before the engine was asked."""
        first = {"here": False, "asked": self._clock()}
        entry = {**first, **self._entry(endpoint), "identity": identity, **new}
        notes.keep(self._path, {**self._table(), endpoint: entry})

    def _identity(self, endpoint: str) -> list[str]:
        """What stays the same as long as an engine does, without speaking to it."""
        words = [endpoint]
        if endpoint.startswith("unix://"):
            with contextlib.suppress(OSError):
                status = os.stat(endpoint.removeprefix("unix://"))
                words.append(f"{status.st_ino} {status.st_ctime_ns}")
            words += binfmt.identity(self._handlers)
        return words
