"""The container engine: finding it, speaking to it, and its errors in our words.

Docker or Podman, by the socket that DOCKER_HOST, Docker's current context or the system names. Knows
nothing of steps, and starts no container.
"""

import contextlib
import functools
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge.errors import EngineLost, EngineRefuses, NoEngine
from mpforge.platforms import by_machine

DEFAULT = "unix:///var/run/docker.sock"
_ANSWER_SECONDS = 600  # a commit of a large layer says nothing until it is done
_SUMMARY = 400
# What an engine complains of that its own words do not help with.
_HINTS = {
    "container-init binary not found": "Podman runs containers with an init by catatonit: "
    "install it (Debian, Ubuntu: apt-get install catatonit)"
}


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    ``client`` is the SDK's ``DockerClient`` (it has no types), ``name`` is ``Docker`` or ``Podman``,
    ``endpoint`` its address, ``version`` in its own words, ``platform`` the target name of what it runs
    natively; ``bridged`` whether a container can have a network of its own.
    """

    client: Any
    name: str
    endpoint: str
    version: str
    platform: str
    bridged: bool


def endpoint(environment: Mapping[str, str]) -> str | None:
    """The address of the engine that this user has set up, or the first socket that is there.

    Asks nobody: None says that there is no sign of an engine.
    """
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    if (context := _context(environment)) is not None:
        return context
    runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{_user()}")
    for path in (
        Path("/var/run/docker.sock"),
        Path(runtime, "podman", "podman.sock"),
        Path("/run/podman/podman.sock"),
    ):
        if path.is_socket():
            return f"unix://{path}"
    return None


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _context(environment: Mapping[str, str]) -> str | None:
    """The endpoint of Docker's current context, if another than the default one is chosen."""
    folder = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if not environment.get("DOCKER_CONTEXT") and not (folder / "config.json").exists():
        return None
    from docker.context import ContextAPI
    from docker.errors import DockerException

    _hush()
    try:
        chosen = environment.get("DOCKER_CONTEXT")
        found = ContextAPI.get_context(chosen) if chosen else ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError):
        return None
    if found is None or found.Name == "default":
        return None
    host: str | None = found.Host
    return host


def _hush() -> None:
    """nox shows every logger's messages; the SDK tells of files and of users' names."""
    for talkative in ("docker", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def connect(environment: Mapping[str, str]) -> Engine:
    """The engine of this user. Raises ``NoEngine`` where none answers."""
    address = endpoint(environment)
    if address is None:
        raise NoEngine(
            "there is no container engine here",
            why="DOCKER_HOST is not set, and neither Docker's nor Podman's socket is there",
            hint="install Docker (Debian: apt-get install docker.io) or Podman, or set DOCKER_HOST",
        )
    return _connected(address)


@functools.cache
def _connected(address: str) -> Engine:
    from docker import DockerClient
    from docker.errors import DockerException

    if address.startswith("ssh://"):
        host = address.removeprefix("ssh://")
        raise NoEngine(
            f"the engine's address is {address}, which is not spoken here",
            hint=f"ssh -N -L local.sock:/var/run/docker.sock {host}, "
            "and DOCKER_HOST=unix://$PWD/local.sock",
        )
    try:
        _hush()
        client = DockerClient(base_url=address, version="auto", timeout=_ANSWER_SECONDS)
        told = client.version()
        networks = client.api.networks(names=["bridge", "podman"])
    except DockerException as error:
        raise NoEngine(
            f"the container engine at {address} does not answer",
            why=_said(error),
            hint="is it started, and may this user speak to it (the group docker)?",
        ) from None
    machine = str(told.get("Arch", ""))
    found = by_machine(machine) or by_machine(platform.machine())
    parts = [str(part.get("Name", "")) for part in told.get("Components") or ()]
    return Engine(
        client,
        "Podman" if any("Podman" in part for part in parts) else "Docker",
        address,
        f"{told.get('Version', '?')} (API {told.get('ApiVersion', '?')})",
        found.name if found is not None else machine,
        bool(networks),
    )


def forget() -> None:
    """Ask anew which engine there is, the next time."""
    _connected.cache_clear()


@dataclass(frozen=True)
class Nature:
    """Of what kind an engine is: ``here`` says that its kernel is this machine's, as far as can be told."""

    rootless: bool
    here: bool


def nature(engine: Engine) -> Nature:
    """Ask an engine of what kind it is. Raises ``EngineLost``.

    A socket of this machine may lead elsewhere: through ssh, or into a virtual machine.
    """
    with speaking("ask what it is"):
        told = engine.client.info()
    same = (told.get("Name"), told.get("KernelVersion")) == (platform.node(), platform.release())
    return Nature(
        rootless=bool(told.get("Rootless"))
        or "name=rootless" in (told.get("SecurityOptions") or ()),
        here=same and engine.endpoint.startswith("unix://"),
    )


@contextlib.contextmanager
def speaking(doing: str) -> Iterator[None]:
    """A talk with the engine. Raises ``EngineLost``, or ``EngineRefuses`` with its own words."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        said = _said(error)
        hint = next((hint for words, hint in _HINTS.items() if words in said), None)
        raise EngineRefuses(
            f"the container engine could not {doing}", why=said, hint=hint
        ) from None
    except (DockerException, RequestException, OSError) as error:
        forget()
        raise EngineLost(
            f"the container engine went away while mpforge wanted to {doing}",
            why=_said(error),
            hint="start it again and repeat the command: nothing half-made was kept",
        ) from None


def _said(error: Exception) -> str:
    """What the engine said, without the address of its socket's page."""
    text = str(getattr(error, "explanation", None) or error)
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"
