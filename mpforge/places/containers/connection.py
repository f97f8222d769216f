"""The connection to the container runtime, Docker or Podman, and its errors as ours.

Knows nothing of steps, and starts no container.
"""

import contextlib
import logging
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpforge.compiler.strategies import INSTALL_RUNTIME
from mpforge.diagnostics import log_patterns
from mpforge.diagnostics.step_failure import MAKE_ROOM
from mpforge.errors import NoContainerRuntime, RuntimeFull, RuntimeLost, RuntimeRefuses
from mpforge.places.containers import endpoint
from mpforge.platforms import by_machine

_ANSWER_SECONDS = 600  # a commit of a large layer sends nothing until it is done
_GREETING_SECONDS = 60
_SUMMARY = 400
_WITHOUT = 'or do without one: runtime = "sandbox" in [build]'
# Errors of runtimes whose own text does not help.
_HINTS = {
    "container-init binary not found": "Podman runs containers with an init by catatonit: "
    "install it (Debian, Ubuntu: apt-get install catatonit)"
}
_GONE = re.compile(
    r"no such container|no container with|container \S+ is not running", re.IGNORECASE
)


@dataclass(frozen=True)
class ContainerRuntime:
    """A container runtime that answered.

    ``client`` is the SDK's ``DockerClient`` (it has no types), ``name`` is ``Docker`` or ``Podman``,
    ``endpoint`` its address, ``version`` its own version text, ``platform`` the platform that it runs
    natively; ``bridged``: a container can have a network of its own. Its command-line client finds it
    by ``variables``.
    """

    client: Any
    name: str
    endpoint: str
    version: str
    platform: str
    bridged: bool
    variables: Mapping[str, str] = field(default_factory=dict)


def connect(environment: Mapping[str, str]) -> ContainerRuntime:
    """Connect to this user's runtime. Raises ``NoContainerRuntime`` if none answers."""
    found = endpoint.find(environment)
    if found is None:
        raise NoContainerRuntime(
            "no container runtime found",
            why="DOCKER_HOST is not set, and neither Docker's nor Podman's socket exists",
            hint=INSTALL_RUNTIME,
        )
    if found.address not in _connected:
        _connected[found.address] = _connect(found)
    return _connected[found.address]


_connected: dict[str, ContainerRuntime] = {}


def _connect(at: endpoint.Endpoint) -> ContainerRuntime:
    from docker import DockerClient
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    address = at.address
    if address.startswith("ssh://"):
        raise NoContainerRuntime(
            f"unsupported container runtime address: {address}",
            hint=f"forward it to a local socket: ssh -N -L local.sock:/var/run/docker.sock "
            f"{address}; then set DOCKER_HOST=unix://$PWD/local.sock",
        )
    try:
        _hush()
        client = DockerClient(
            base_url=address, tls=at.tls, version="auto", timeout=_GREETING_SECONDS
        )
        told = client.version()
        networks = client.api.networks(names=["bridge", "podman"])
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise _no_runtime(address, error) from None
    client.api.timeout = _ANSWER_SECONDS
    machine = str(told.get("Arch", ""))
    found = by_machine(machine) or by_machine(platform.machine())
    parts = [str(part.get("Name", "")) for part in told.get("Components") or ()]
    return ContainerRuntime(
        client,
        "Podman" if any("Podman" in part for part in parts) else "Docker",
        address,
        f"{told.get('Version', '?')} (API {told.get('ApiVersion', '?')})",
        found.name if found is not None else machine,
        bool(networks),
        at.variables,
    )


def _hush() -> None:
    """Silence the loggers of the SDK and urllib3: nox shows all messages, even of paths and settings."""
    for talkative in ("docker", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")


def _no_runtime(address: str, error: Exception) -> NoContainerRuntime:
    """Return the error for an address without an answer, with the cause and a hint."""
    system = _by_system(error)
    if isinstance(system, PermissionError):
        return NoContainerRuntime(
            f"this user has no permission to connect to the container runtime at {address}",
            why=system.strerror,
            hint=f"run sudo usermod -aG {_group(address)} $USER and log in again; or start Podman's socket, "
            f"which needs no privileges: systemctl --user start podman.socket; {_WITHOUT}",
        )
    hint = "start it (sudo systemctl start docker), or correct DOCKER_HOST"
    if isinstance(system, FileNotFoundError):
        hint = "start it (sudo systemctl start docker), or set DOCKER_HOST to its socket"
    hint += f"; {_WITHOUT}"
    why = _said(error) if system is None else system.strerror
    return NoContainerRuntime(
        f"the container runtime at {address} does not answer", why=why, hint=hint
    )


def _by_system(error: BaseException) -> OSError | None:
    """Return the ``OSError`` that a library has wrapped in its own error, or None."""
    found, seen = [error], set[int]()
    for one in found:
        if isinstance(one, OSError) and one.errno is not None:
            return one
        if id(one) not in seen:
            seen.add(id(one))
            inner = (*one.args, one.__cause__, one.__context__)
            found += [other for other in inner if isinstance(other, BaseException)]
    return None


def _group(address: str) -> str:
    """Return the group that may use the runtime's socket."""
    try:
        import grp

        return grp.getgrgid(os.stat(address.removeprefix("unix://")).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "docker"


@dataclass(frozen=True)
class Nature:
    """The kind of a runtime; ``here``: its kernel is this machine's, as far as known."""

    rootless: bool
    here: bool


def nature(runtime: ContainerRuntime) -> Nature:
    """Ask a runtime for its kind. Raises ``RuntimeLost``.

    A socket of this machine may lead elsewhere: through ssh, or into a virtual machine.
    """
    with speaking("query its version"):
        told = runtime.client.info()
    same = (told.get("Name"), told.get("KernelVersion")) == (platform.node(), platform.release())
    return Nature(
        rootless=bool(told.get("Rootless"))
        or "name=rootless" in (told.get("SecurityOptions") or ()),
        here=same and runtime.endpoint.startswith("unix://"),
    )


@contextlib.contextmanager
def speaking(doing: str) -> Iterator[None]:
    """Turn the runtime's errors in the block into ``RuntimeLost``, ``RuntimeFull`` or ``RuntimeRefuses``.

    An error with files of this host stays an ``OSError``.
    """
    import ssl

    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    broken = (ConnectionError, TimeoutError, ssl.SSLError)
    try:
        yield
    except APIError as error:
        raise refusal(doing, _said(error)) from None
    except (*broken, DockerException, RequestException, HTTPError) as error:
        _connected.clear()  # the next call connects again
        system = _by_system(error)
        raise RuntimeLost(
            f"mpforge lost the connection to the container runtime while it tried to {doing}",
            why=_said(error) if system is None else system.strerror or str(system),
            hint="start it again and repeat the command; no partial result was kept",
        ) from None


def refusal(doing: str, said: str) -> RuntimeLost | RuntimeFull | RuntimeRefuses:
    """Return the error for a runtime's refusal."""
    if log_patterns.last([said], log_patterns.FULL_DISK):
        return RuntimeFull(
            f"the container runtime's disk is full: it could not {doing}", why=said, hint=MAKE_ROOM
        )
    if _GONE.search(said):
        return container_gone(f"mpforge tried to {doing}", said)
    hint = next((hint for words, hint in _HINTS.items() if words in said), None)
    return RuntimeRefuses(f"the container runtime could not {doing}", why=said, hint=hint)


def container_gone(when: str, why: str | None = None) -> RuntimeLost:
    """Return the error for a container that was ended from outside."""
    return RuntimeLost(
        f"the container was removed while {when}",
        why=why,
        hint="repeat the command; if it fails again, check whether somebody removes the container, "
        "the container runtime stops or runs out of memory, or a program of the step kills every "
        "process that it sees",
    )


def _said(error: Exception) -> str:
    """Return the runtime's message, without the URL of the request."""
    text = str(getattr(error, "explanation", None) or error)
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"
