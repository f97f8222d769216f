"""The command-line client of a container runtime, for programs on this process's own terminal."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.places.containers.connection import ContainerRuntime
from mpforge.processes.terminal import at_terminal, attached

_CLIENTS = ("PATH", "HOME", "TERM", "DOCKER_CONFIG")
"""The variables of this process that the client gets."""


def enter(
    runtime: ContainerRuntime,
    container: str,
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    cwd: str,
) -> int:
    """Run a program in a container on this terminal; return its exit status.

    ``secrets`` are variables whose values stay out of command lines. Raises ``ToolUnavailable`` without a
    client.
    """
    client = shutil.which("docker") or shutil.which("podman")
    if client is None:
        raise ToolUnavailable(
            "neither docker nor podman is installed, and entering a container needs one of these clients",
            hint="install one (Debian: apt-get install docker-cli), or run your program in "
            "[build] before-build",
        )
    words = [client, "exec", "--interactive", *(["--tty"] if at_terminal() else [])]
    words += ["--user", "0:0", "--workdir", cwd]
    for name, value in environment.items():
        words += ["--env", f"{name}={value}"]
    for name in secrets:
        words += ["--env", name]
    own = {name: os.environ[name] for name in _CLIENTS if name in os.environ}
    own |= runtime.variables
    if Path(client).name == "podman":  # podman does not read it
        words[1:1] = ["--url", runtime.endpoint]
    return attached([*words, container, *argv], environment={**secrets, **own}, cwd=Path("/"))
