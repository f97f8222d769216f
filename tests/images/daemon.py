"""A container runtime of a test's own, which can be ended, and whose disk can be filled.

The one that ``docker`` finds by itself is everybody's. Knows nothing of mpforge.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.images.container_runtime import ContainerRuntime

_PATIENCE = 60.0
_MAPPED = 'echo new; read -r mapped; exec "$@"'
_ALONE = """
set -e
mount -t tmpfs -o "$1" none "$2"
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
shift 2
exec "$@" >&2
"""
_OWN_HANDLERS = (6, 7)  # Linux, since when a user namespace has its own (binfmt-misc.rst)


def why_no_daemon() -> str | None:
    """Why no runtime of one's own can be started here; ``None`` where it can."""
    if shutil.which("dockerd") is None:
        return "no dockerd on PATH (scripts/setup-system.sh installs it)"
    return None if os.geteuid() == 0 else "only root can start a runtime of its own"


def why_no_own_handlers() -> str | None:
    """Why a runtime can't be kept from the system's emulators; ``None`` where it can."""
    release = os.uname().release
    words = re.match(r"(\d+)\.(\d+)", release)
    if words is not None and tuple(map(int, words.groups())) >= _OWN_HANDLERS:
        return None
    return f"Linux {release} has the same emulators for all (6.7 does not)"


@dataclass
class Daemon:
    """A runtime below a directory, with a disk of so many megabytes that is memory.

    One that does not emulate has a user namespace, and in that none of the system's handlers.
    """

    folder: Path
    megabytes: int
    emulates: bool = True
    options: tuple[str, ...] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """What DOCKER_HOST is for it."""
        return f"unix://{self.folder}/socket"

    @property
    def runtime(self) -> ContainerRuntime:
        """It, as tests use runtimes."""
        return ContainerRuntime(self.address)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "log"
        argv = [
            *("dockerd", "--host", self.address, "--iptables=false", "--bridge=none"),
            *("--data-root", str(self.data)),
            *("--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "pid")),
            *self.options,
        ]
        if not self.emulates:
            alone = ("sh", "-c", _ALONE, "sh", f"size={self.megabytes}m", str(self.data))
            argv = [
                "unshare",
                "--user",
                "sh",
                "-c",
                _MAPPED,
                "sh",
                "unshare",
                "--mount",
                *alone,
                *argv,
            ]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if self.emulates else subprocess.PIPE,
                stdout=subprocess.DEVNULL if self.emulates else subprocess.PIPE,
                stderr=stream,
                start_new_session=True,
            )
        if not self.emulates:
            self._map_users(self._process)
        end = time.monotonic() + _PATIENCE
        while not self.runtime.answers():
            waits = self._process.poll() is None and time.monotonic() < end
            assert waits, f"no runtime:\n{log.read_text('utf-8')}"
            time.sleep(0.05)

    @property
    def data(self) -> Path:
        """Where its disk is."""
        return self.folder / "data"

    def _map_users(self, process: "subprocess.Popen[bytes]") -> None:
        """Let users be the same in the new namespace; tell it then."""
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdout.close()
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text("0 0 65536\n", encoding="utf-8")
        process.stdin.write(b"mapped\n")
        process.stdin.close()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does, and what it has started to run containers by."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        remembered = self.folder / "exec" / "containerd" / "containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(remembered.read_text("utf-8")), signal.SIGKILL)
        remembered.unlink(missing_ok=True)  # it may be a zombie for a while: that looks alive

    def end_containers(self) -> None:
        """End what outlives a killed runtime: who holds a container, and what runs in it."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder) in (process / "cmdline").read_bytes():
                    threads = (process / "task").glob("*/children")
                    children = " ".join(path.read_text("ascii") for path in threads).split()
                    for pid in (*children, process.name):
                        os.kill(int(pid), signal.SIGKILL)

    def stop(self) -> None:
        """End it as a system does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_PATIENCE)


@contextlib.contextmanager
def daemon(
    folder: Path, *, megabytes: int, emulates: bool = True, options: tuple[str, ...] = ()
) -> Iterator[Daemon]:
    """A runtime that runs while the block does, with these options; nothing of it is left then."""
    made = Daemon(folder, megabytes, emulates, options)
    made.data.mkdir(parents=True)
    if emulates:
        size = f"size={megabytes}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(made.data)], check=True)
    try:
        made.start()
        yield made
    finally:
        if made.runtime.answers():
            for container in made.runtime.call("ps", "--all", "--quiet").split():
                made.runtime.call("rm", "--force", container)
            made.stop()
        made.kill()
        made.end_containers()
        if emulates:
            subprocess.run(["umount", "--recursive", "--lazy", str(made.data)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
