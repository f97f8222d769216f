"""One container in which a step's programs run.

Files go in and out as archives, never by mounts of the host. Its first process waits for the end of
its input, which this process holds: when this process ends, even by kill -9, the container and all its
processes end within a second. Knows nothing of images' names, nor of steps.
"""

import contextlib
import itertools
import os
import re
import select
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self

from mpforge import processes
from mpforge.errors import (
    ImageUnfit,
    RuntimeRefuses,
    StepFailed,
)
from mpforge.places.containers import exec_stream, transfer
from mpforge.places.containers.connection import ContainerRuntime, container_gone, speaking
from mpforge.places.containers.labels import IMAGE_LABEL, LABEL, LAYER, TITLE, own_mark
from mpforge.places.containers.runs_programs import RunsPrograms
from mpforge.processes import Ended

_numbers = itertools.count()
_READ = 1 << 20
_COUNTING_SECONDS, _REMOVING_SECONDS = 5, 30
_GREETING = b"mpforge\n"
_START_SECONDS = 120.0
_GOING_SECONDS = 2.0
_KILLED = 137  # 128 + 9: the status of a program that is killed with its container
_LINUX32 = ("linux32",)
_INIT = re.compile(r"^\[\w+ +tini \(\d+\)\] ", re.MULTILINE)


@dataclass(frozen=True)
class Mount:
    """A volume of the runtime's own, and its place in a container."""

    volume: str
    place: str
    writable: bool = False


class Container(RunsPrograms):
    """A container that runs from its creation to the end of the ``with`` block, which removes it.

    ``image`` is the id of an image with ``cat``; ``title`` describes its purpose for people, ``called`` is
    their name of the image. Without ``network`` its programs see loopback only; with ``linux32`` the image's
    setarch(8) starts them, and uname(2) names the 32-bit machine. ``environment`` are the image's own
    variables, ``id`` is the runtime's of it, empty once it is removed. Raises ``ImageUnfit``,
    ``RuntimeRefuses``, ``RuntimeFull``, ``RuntimeLost``.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        image: str,
        *,
        network: bool = False,
        mounts: Sequence[Mount] = (),
        title: str = "",
        called: str = "",
        linux32: bool = False,
    ) -> None:
        self.runtime = runtime
        self._before = _LINUX32 * linux32
        self.called = called or image
        self.shared = False
        self.offline = not network
        self._api = runtime.client.api
        self._timed_out = False
        self._input: Any = None
        binds = {
            mount.volume: {"bind": mount.place, "mode": "rw" if mount.writable else "ro"}
            for mount in mounts
        }
        # If interrupted while the runtime creates it, we remove it by this name.
        self.id = f"mpforge-{os.getpid()}-{next(_numbers)}-{os.urandom(3).hex()}"
        try:
            with speaking("make a container"):
                self.id = self._create(image, binds, network=network, title=title)
            with speaking("start a container"):
                wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                self._input = self._api.attach_socket(self.id, params=wanted)
                self._api.start(self.id)
                self._greet()
                told = self._api.inspect_container(self.id)
        except BaseException:  # an interrupt too: nobody else could remove it
            self.close()
            raise
        self.environment = variables(told)

    def _greet(self) -> None:
        """Wait for the first process to answer: runtimes don't report one that their init could not start."""
        said = b""
        with self._watched(_START_SECONDS, self._input):
            with contextlib.suppress(OSError):  # it has ended already
                exec_stream.send(self._input, _GREETING)
            for chunk in exec_stream.said(self._input):
                said += chunk
                if said.endswith(_GREETING):
                    return
        if self._timed_out:
            raise RuntimeRefuses(f"a container did not start within {_START_SECONDS:.0f} s")
        why = _INIT.sub("", said.decode("utf-8", "replace")).strip()
        if not why:
            raise container_gone("it was started")
        raise ImageUnfit(
            f"the image {self.called} has no `cat` that runs, so no step can run in it",
            why=why,
            hint="name another image in [build] image: a build needs a shell and coreutils in it",
        )

    def _create(self, image: str, binds: Mapping[str, Any], *, network: bool, title: str) -> str:
        open_network = "bridge" if self.runtime.bridged else "host"
        host = self._api.create_host_config(
            auto_remove=True,
            init=True,
            network_mode=open_network if network else "none",
            security_opt=["no-new-privileges"],
            binds=binds,
        )
        made = self._api.create_container(
            image,
            ["cat"],
            entrypoint=[],
            stdin_open=True,
            detach=False,
            user="0:0",
            name=self.id,
            labels={LABEL: own_mark(), TITLE: title},
            host_config=host,
        )
        return str(made["Id"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the container, which ends all that runs in it. Its CPU time is counted as ours.

        Does not wait long for a runtime that hangs: the container ends when its input does.
        """
        if not self.id:
            return
        try:
            with self._patience(_COUNTING_SECONDS), speaking("count CPU seconds"):
                told = self._api.stats(self.id, stream=False, one_shot=True)
                nanoseconds = told["cpu_stats"]["cpu_usage"].get("total_usage", 0)
                processes.count_cpu(float(nanoseconds) / 1e9)
        except StepFailed:
            pass
        finally:
            identifier, self.id = self.id, ""
            if self._input is not None:
                exec_stream.hang_up(self._input)
            with (
                contextlib.suppress(StepFailed),
                self._patience(_REMOVING_SECONDS),
                speaking("remove a container"),
            ):
                self._remove(identifier)

    def _remove(self, identifier: str) -> None:
        """Remove the container, or wait for a removal that has begun: by the timer, or as its input ended."""
        from docker.errors import APIError

        try:
            self._api.remove_container(identifier, force=True, v=True)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            self._api.wait(identifier, timeout=_REMOVING_SECONDS, condition="removed")

    @contextlib.contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        """Limit the wait for an answer to so many seconds."""
        former, self._api.timeout = self._api.timeout, seconds
        try:
            yield
        finally:
            self._api.timeout = former

    # --- programs ------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        log: BinaryIO,
        timeout: float | None = None,
    ) -> Ended:
        """Run a program to its end; its output is appended to ``log`` as it arrives.

        ``environment`` is added to the image's own. After ``timeout`` seconds the container ends.
        Raises ``RuntimeLost``, ``RuntimeRefuses``.
        """
        start = time.monotonic()
        with speaking(f"run {argv[0]} in a container"):
            made = self._api.exec_create(
                self.id,
                [*self._before, *argv],
                environment=dict(environment),
                workdir=cwd,
                user="0:0",
            )
            self._copy_output(made["Id"], log, timeout)
            code = self._status(made["Id"])
            if code == _KILLED and not self._timed_out and self._has_ended():
                raise container_gone(f"{argv[0]} ran in it")
        return Ended(code, time.monotonic() - start, 0.0, self._timed_out)

    def _copy_output(self, program: str, log: BinaryIO, timeout: float | None) -> None:
        """Start a program and copy its output until it ends or the time is over."""
        connection = self._api.exec_start(program, socket=True)
        try:
            with self._watched(timeout, connection):
                for chunk in exec_stream.said(connection):
                    log.write(chunk)
                    log.flush()
        finally:
            exec_stream.hang_up(connection)

    def _status(self, program: str) -> int:
        from docker.errors import APIError

        if self._timed_out:
            return -1
        try:
            code = self._api.exec_inspect(program)["ExitCode"]
        except APIError as error:
            # It ended with its container, which Podman reports as an internal error (500).
            if error.status_code != HTTPStatus.NOT_FOUND and "no such container" not in str(error):
                raise
            code = None
        if code is None:
            raise container_gone("a program ran in it")
        return int(code)

    def _has_ended(self) -> bool:
        """Return whether the first process is ending: there is something to read, the end of its output."""
        ready, _, _ = select.select([self._input], [], [], _GOING_SECONDS)
        return bool(ready)

    @contextlib.contextmanager
    def _watched(self, timeout: float | None, connection: Any) -> Iterator[None]:
        """Remove the container when the time is over, which ends all that runs in it.

        Nothing more is read from the connection then, whether the runtime answers or not.
        """

        def over() -> None:
            self._timed_out = True
            try:
                with contextlib.suppress(StepFailed), speaking("end a container"):
                    self._api.remove_container(self.id, force=True, v=True)
            finally:
                exec_stream.break_off(connection)

        if timeout is None:
            yield
            return
        watch = threading.Timer(timeout, over)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def commit(self, repository: str, tag: str, key: str) -> None:
        """Commit the container's state as a layer. Raises ``RuntimeRefuses``, ``RuntimeLost``.

        Replaces the labels that an image inherits: a user's container of it must not count as ours.
        """
        labels = f'LABEL {LABEL}="" {IMAGE_LABEL}="layer" {LAYER}="{key}"'
        with speaking("keep a container as an image"):
            self._api.commit(self.id, repository, tag, changes=labels)

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: str,
    ) -> int:
        """Run a program on this process's terminal; return its exit status. As ``runtime_client.enter``."""
        from mpforge.places.containers import runtime_client

        variables = {"environment": environment, "secrets": secrets}
        return runtime_client.enter(
            self.runtime, self.id, [*self._before, *argv], **variables, cwd=cwd
        )

    # --- files ---------------------------------------------------------------------------------

    def show(self, tree: Path, place: str) -> None:
        """Let programs read a directory of this host. Raises ``RuntimeLost``."""
        self.put(tree, place)

    def put(self, tree: Path, place: str, *, only: Iterable[str] | None = None) -> None:
        """Copy a directory of the host to ``place``, an absolute path; ``only`` these entries of it.

        Files belong to root there, and keep their modes and times. Raises ``RuntimeLost``.
        """
        with tempfile.TemporaryFile() as file:
            transfer.pack(tree, place, file, only=only)
            file.seek(0)
            with speaking(f"copy files to {place} in a container"):
                self._api.put_archive(self.id, "/", file)

    def put_packed(self, archive: Path) -> None:
        """Unpack a tar archive of ours at the container's root. Raises ``RuntimeLost``."""
        with speaking("copy files into a container"), archive.open("rb") as file:
            self._api.put_archive(self.id, "/", file)

    def get(self, place: str, destination: Path, *, harmless: bool = False) -> None:
        """Copy the content of a container's directory into a new directory of the host.

        Files belong to the calling user. A single file is copied likewise. ``harmless``: leave out entries
        that could escape. Raises ``ArchiveRefused``, ``RuntimeLost``.
        """
        with tempfile.TemporaryDirectory(prefix="mpforge-out-", dir=destination.parent) as folder:
            packed = Path(folder, "out.tar")
            with speaking(f"copy {place} out of a container"), packed.open("wb") as file:
                chunks, _ = self._api.get_archive(self.id, place, chunk_size=_READ)
                for chunk in chunks:
                    file.write(chunk)
            transfer.unpack(packed, place, destination, harmless=harmless)


def variables(inspected: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that an image or a container sets, from the runtime's description of it."""
    words = (word.partition("=") for word in (inspected.get("Config") or {}).get("Env") or ())
    return {name: value for name, _, value in words}
