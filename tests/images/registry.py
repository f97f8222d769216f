"""A registry of images on a loopback port: Debian's ``docker-registry``, and how images get there.

Runtimes trust registries on 127.0.0.0/8 without TLS. Its API is the "Docker Registry HTTP API V2".
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.images.container_runtime import ContainerRuntime

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

_PROGRAM = "docker-registry"
_PATIENCE = 30.0
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
# https://distribution.github.io/distribution/about/configuration/, which is YAML: JSON is that, too.
_CONFIGURATION = {
    "version": "0.1",
    "log": {"level": "info", "accesslog": {"disabled": True}},
    "http": {"addr": "127.0.0.1:0"},
}


def why_no_registry() -> str | None:
    """Why no registry can be started here; ``None`` where it can."""
    if shutil.which(_PROGRAM):
        return None
    return f"no {_PROGRAM} on PATH (scripts/setup-system.sh installs it)"


@contextlib.contextmanager
def serving(folder: Path, *, users: str | None = None) -> Iterator[str]:
    """A registry with its storage in a directory, while the block runs; its ``127.0.0.1:PORT``.

    ``users`` are lines of an htpasswd file: without a password nothing is told then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}}
    configuration, log = folder / "config.yml", folder / "log"
    settings = _CONFIGURATION | {"storage": storage}
    if users is not None:
        (folder / "users").write_text(users, encoding="utf-8")
        settings |= {"auth": {"htpasswd": {"realm": "test", "path": str(folder / "users")}}}
    configuration.write_text(json.dumps(settings), encoding="utf-8")
    passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [_PROGRAM, "serve", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=passed,
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            process.kill()  # there is nothing that it should tidy


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it says that it listens: the kernel has chosen a free port."""
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if found := _LISTENING.search(log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"{_PROGRAM} does not serve:\n{log.read_text(encoding='utf-8')}")


def push_image(
    runtime: ContainerRuntime, image: str, registry: str, name: str, tag: str = "1"
) -> str:
    """Push an image that the runtime has as ``REGISTRY/NAME:TAG``; its manifest's digest.

    The runtime does not keep that name.
    """
    reference = f"{registry}/{name}:{tag}"
    runtime.call("tag", image, reference)
    runtime.call("push", "--quiet", reference)
    runtime.call("image", "rm", reference)
    return _digest(fetch_manifest(registry, name, tag))


def push_index(
    runtime: ContainerRuntime,
    images: Sequence[str],
    registry: str,
    name: str,
    tag: str = "1",
    *,
    saying: Sequence[str] = (),
) -> str:
    """Push images of several platforms, and under ``REGISTRY/NAME:TAG`` an index of them; its digest.

    Each entry says the platform that its image says, or one of ``saying``.
    """
    entries = []
    for number, image in enumerate(images):
        digest = push_image(runtime, image, registry, name, f"{tag}-{number}")
        said = saying[number] if saying else runtime.platform_of(image)
        system, architecture, *variant = said.split("/")
        platform = {"os": system, "architecture": architecture}
        platform |= {"variant": variant[0]} if variant else {}
        size = len(fetch_manifest(registry, name, digest))
        entry = {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}
        entries.append(entry)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    data = json.dumps(index).encode()
    _ask("PUT", registry, f"/v2/{name}/manifests/{tag}", body=data, headers={"Content-Type": INDEX})
    return _digest(data)


def fetch_manifest(registry: str, name: str, reference: str) -> bytes:
    """A manifest or index as the registry has it, by tag or digest."""
    accept = {"Accept": f"{MANIFEST}, {INDEX}"}
    return _ask("GET", registry, f"/v2/{name}/manifests/{reference}", headers=accept)


def _ask(
    method: str, registry: str, path: str, *, headers: dict[str, str], body: bytes | None = None
) -> bytes:
    with contextlib.closing(http.client.HTTPConnection(registry, timeout=_PATIENCE)) as connection:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
    assert answer.status < 300, f"{method} {path}: {answer.status} {data!r}"
    return data


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
