"""The address of this user's container runtime: DOCKER_HOST, Docker's current context, or a known socket.

Makes no connection, and knows nothing of the runtime's API.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpforge.errors import NoContainerRuntime

_UNUSABLE = "a configured container runtime that can't be used"
_WITHOUT_TLS = ("unix:", "npipe:", "ssh:")


@dataclass(frozen=True)
class Endpoint:
    """A runtime's address and the settings to connect.

    ``tls`` is the SDK's ``TLSConfig``, None: no TLS. By ``variables`` the runtime's own client finds
    the same runtime.
    """

    address: str
    tls: Any = None
    variables: Mapping[str, str] = field(default_factory=dict)


def address(environment: Mapping[str, str]) -> str | None:
    """Return the address of the runtime that this user has set up, or the first existing socket.

    None if there is no sign of a runtime. A setting that can't be used is a sign, too.
    """
    try:
        found = find(environment)
    except NoContainerRuntime:
        return _UNUSABLE
    return None if found is None else found.address


def find(environment: Mapping[str, str]) -> Endpoint | None:
    """Return the runtime that this user has set up, or the first existing socket.

    Raises ``NoContainerRuntime`` for a context, or certificates, that are named and can't be used.
    """
    if environment.get("DOCKER_HOST"):
        return _by_variables(environment)
    return _by_context(environment) or _by_socket(environment)


# --- Docker's variables ---------------------------------------------------------------------------


def _by_variables(environment: Mapping[str, str]) -> Endpoint:
    """Return the container runtime that DOCKER_HOST names, with Docker's own TLS variables."""
    host, tls = environment["DOCKER_HOST"], None
    names = ("DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
    variables = {name: environment[name] for name in names if environment.get(name)}
    if "DOCKER_TLS_VERIFY" in variables and not host.startswith(_WITHOUT_TLS):
        folder = Path(variables.get("DOCKER_CERT_PATH") or _configuration(environment))
        files = _certificates(folder)
        if len(files) < len(_FILES):
            raise NoContainerRuntime(
                f"the container runtime at {host} needs certificates that do not exist",
                why=f"{folder} must have {', '.join(_FILES)}",
                hint="put them there, or unset DOCKER_TLS_VERIFY",
            )
        tls = _tls(files, verify=True)
    return Endpoint(host, tls, variables)


def _configuration(environment: Mapping[str, str]) -> Path:
    """Return the directory of the Docker client's configuration."""
    return Path(environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


# --- contexts (https://docs.docker.com/engine/manage-resources/contexts/) --------------------------


def _by_context(environment: Mapping[str, str]) -> Endpoint | None:
    """Return Docker's current context, or None for the default one.

    Read without the SDK, which searches the working directory if there is no ``config.json``.
    """
    folder = _configuration(environment)
    name, by = environment.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        name, by = _current(folder / "config.json"), str(folder / "config.json")
    if not name or name == "default":
        return None
    identifier = hashlib.sha256(name.encode()).hexdigest()
    try:
        text = (folder / "contexts" / "meta" / identifier / "meta.json").read_text("utf-8")
        docker = json.loads(text)["Endpoints"]["docker"]
        host, verify = str(docker["Host"]), not docker.get("SkipTLSVerify")
    except FileNotFoundError:
        raise _unusable(name, by, "there is no such context") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise _unusable(name, by, "it can't be read, or has no Docker endpoint") from None
    files = _certificates(folder / "contexts" / "tls" / identifier / "docker")
    if ("cert.pem" in files) != ("key.pem" in files):
        raise _unusable(
            name, by, "it has a certificate without a key, or a key without a certificate"
        )
    wanted = (files or not verify) and not host.startswith(_WITHOUT_TLS)
    return Endpoint(host, _tls(files, verify=verify) if wanted else None, {"DOCKER_CONTEXT": name})


def _current(configuration: Path) -> str | None:
    """Return the context that Docker's configuration selects, or None."""
    try:
        chosen = json.loads(configuration.read_text("utf-8")).get("currentContext")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise NoContainerRuntime(
            "Docker's configuration can't be read, so mpforge does not know which container runtime to use",
            why=f"{configuration}: {error}",
            hint="fix it, or set DOCKER_HOST",
        ) from None
    return str(chosen) if chosen else None


def _unusable(name: str, by: str, why: str) -> NoContainerRuntime:
    return NoContainerRuntime(
        f"Docker's context {name} can't be used: {why}",
        why=f"{by} names it",
        hint="run `docker context ls` to list the contexts, `docker context use NAME` to choose one",
    )


# --- TLS ------------------------------------------------------------------------------------------

_FILES = ("ca.pem", "cert.pem", "key.pem")


def _certificates(folder: Path) -> dict[str, str]:
    """Return the existing files with certificates and keys."""
    return {name: str(folder / name) for name in _FILES if (folder / name).is_file()}


def _tls(files: Mapping[str, str], *, verify: bool) -> Any:
    """Return a ``TLSConfig`` of the SDK that overrides REQUESTS_CA_BUNDLE (issue 3829 of requests)."""
    from docker.tls import TLSConfig

    class Alone(TLSConfig):  # type: ignore[misc] # it has no types
        def configure_client(self, client: Any) -> None:
            super().configure_client(client)
            client.trust_env = False

    pair = (files["cert.pem"], files["key.pem"]) if "cert.pem" in files else None
    return Alone(pair, files.get("ca.pem"), verify)


# --- sockets --------------------------------------------------------------------------------------


def _by_socket(environment: Mapping[str, str]) -> Endpoint | None:
    user = os.getuid() if hasattr(os, "getuid") else 0
    runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{user}")
    for path in (
        Path("/var/run/docker.sock"),
        Path(runtime, "podman", "podman.sock"),
        Path("/run/podman/podman.sock"),
    ):
        if path.is_socket():
            return Endpoint(f"unix://{path}", None, {"DOCKER_HOST": f"unix://{path}"})
    return None
