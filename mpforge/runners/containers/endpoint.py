"""Where this user's container engine is: DOCKER_HOST, Docker's current context, or a socket that is there.

Asks nobody, and knows nothing of what an engine says.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpforge.errors import NoEngine

_UNREADABLE = "a context that can't be read"


@dataclass(frozen=True)
class Endpoint:
    """An engine's address, and how it is spoken to.

    ``tls`` is the SDK's ``TLSConfig``, None: there is none. By ``variables`` the engine's own client finds
    the same engine.
    """

    address: str
    tls: Any = None
    variables: Mapping[str, str] = field(default_factory=dict)


def address(environment: Mapping[str, str]) -> str | None:
    """The address of the engine that this user has set up, or the first socket that is there.

    None says that there is no sign of an engine. What is set up and can't be used is a sign, too.
    """
    try:
        found = find(environment)
    except NoEngine:
        return _UNREADABLE
    return None if found is None else found.address


def find(environment: Mapping[str, str]) -> Endpoint | None:
    """The engine that this user has set up, or the first socket that is there.

    Raises ``NoEngine`` for a context, or certificates, that are named and can't be used.
    """
    if environment.get("DOCKER_HOST"):
        return _by_variables(environment)
    return _by_context(environment) or _by_socket(environment)


def _by_variables(environment: Mapping[str, str]) -> Endpoint:
    """DOCKER_HOST, with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    host, tls = environment["DOCKER_HOST"], None
    names = ("DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
    variables = {name: environment[name] for name in names if environment.get(name)}
    if len(variables) > 1 and host.startswith("tcp:"):
        from docker.errors import TLSParameterError
        from docker.utils import kwargs_from_env

        try:
            tls = _alone(kwargs_from_env(variables).get("tls"))
        except TLSParameterError:
            folder = environment.get("DOCKER_CERT_PATH") or "~/.docker"
            raise NoEngine(
                f"the container engine at {host} wants certificates that are not there",
                why=f"{folder} must have ca.pem, cert.pem and key.pem",
                hint="put them there, or unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",
            ) from None
    return Endpoint(host, tls, variables)


def _by_context(environment: Mapping[str, str]) -> Endpoint | None:
    """Docker's current context, if another than the default one is chosen."""
    folder = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")
    chosen = environment.get("DOCKER_CONTEXT")
    if not chosen and not (folder / "config.json").exists():
        return None
    from docker.context import ContextAPI

    hush()
    try:
        found = ContextAPI.get_context(chosen) if chosen else ContextAPI.get_current_context()
        if found is not None and found.Name == "default":
            return None
        host = None if found is None else found.Host
        tls = None if found is None else _alone(found.TLSConfig)
    except Exception as error:  # noqa: BLE001 (the SDK raises just that)
        raise _unusable(chosen, folder, f"it can't be read: {error}") from None
    if found is None:
        raise _unusable(chosen, folder, "there is none of that name")
    if not host:
        raise _unusable(found.Name, folder, "it names no engine of Docker's kind")
    return Endpoint(host, tls, {"DOCKER_CONTEXT": found.Name})


def _alone(tls: Any) -> Any:
    """The SDK's TLSConfig as the only word: requests puts REQUESTS_CA_BUNDLE first (its issue 3829)."""
    if tls is None:
        return None
    from docker.tls import TLSConfig

    class Alone(TLSConfig):  # type: ignore[misc] # it has no types
        def configure_client(self, client: Any) -> None:
            super().configure_client(client)
            client.trust_env = False

    return Alone(tls.cert, tls.ca_cert, tls.verify)


def _unusable(name: str | None, folder: Path, why: str) -> NoEngine:
    by = "DOCKER_CONTEXT" if name else str(folder / "config.json")
    return NoEngine(
        f"Docker's context {name or 'that is chosen'} can't be used: {why}",
        why=f"{by} names it",
        hint="`docker context ls` lists them, `docker context use NAME` chooses one",
    )


def _by_socket(environment: Mapping[str, str]) -> Endpoint | None:
    runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{_user()}")
    for path in (
        Path("/var/run/docker.sock"),
        Path(runtime, "podman", "podman.sock"),
        Path("/run/podman/podman.sock"),
    ):
        if path.is_socket():
            return Endpoint(f"unix://{path}", None, {"DOCKER_HOST": f"unix://{path}"})
    return None


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def hush() -> None:
    """nox shows every logger's messages; the SDK tells of files and of users' names."""
    for talkative in ("docker", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
