"""What a container runtime's errors are taken for, and which containers are nobody's."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, DockerException
from requests.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import ProtocolError

from mpforge.diagnostics.step_failure import Ended, diagnosed
from mpforge.engine.execute_step import fault_of_store
from mpforge.errors import (
    MpforgeError,
    RuntimeFull,
    RuntimeLost,
    RuntimeRefuses,
    StepFailed,
    ToolNotDeclared,
)
from mpforge.places.containers.connection import ContainerRuntime, _no_runtime, speaking
from mpforge.places.containers.labels import LABEL, own_mark, reap

FULL = "write /usr/lib/libc.so.6: no space left on device"


def _said(text: str) -> APIError:
    return APIError("500 Server Error", response=None, explanation=text)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (_said(FULL), RuntimeFull),
        (_said("No such container: 9b3cbc29d9a4"), RuntimeLost),
        (_said("Container 9b3cbc29d9a4 is not running"), RuntimeLost),
        (_said("no container with name or ID 9b3c found: no such container"), RuntimeLost),
        (_said("Could not find the file /x in container 9b3c"), RuntimeRefuses),
        (NoConnection(ProtocolError("Connection aborted.", ConnectionResetError(104, "r"))), None),
        (ProtocolError("Connection broken: IncompleteRead"), RuntimeLost),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), RuntimeLost),
        (TimeoutError("timed out"), RuntimeLost),
        (DockerException("what"), RuntimeLost),
    ],
)
def test_an_error_while_a_runtime_is_spoken_to_is_told_by_what_it_means(
    raised: Exception, kind: type[MpforgeError] | None
) -> None:
    with pytest.raises(kind or RuntimeLost) as caught, speaking("copy files"):
        raise raised
    assert "copy files" in caught.value.what


def test_a_full_disk_of_this_host_stays_an_error_of_this_host() -> None:
    with pytest.raises(OSError, match="No space") as caught, speaking("copy files out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC


def _wrapped(system: OSError) -> DockerException:
    error = DockerException("Error while fetching server API version: …")
    error.__cause__ = NoConnection(ProtocolError("Connection aborted.", system))
    return error


@pytest.mark.parametrize(
    ("system", "what", "hint"),
    [
        (PermissionError(13, "Permission denied"), "no permission", "usermod -aG docker $USER"),
        (FileNotFoundError(2, "No such file"), "does not answer", "start it (sudo systemctl"),
        (ConnectionRefusedError(111, "Refused"), "does not answer", "start it (sudo systemctl"),
    ],
)
def test_a_runtime_that_does_not_answer_is_told_with_what_the_system_said(
    system: OSError, what: str, hint: str
) -> None:
    error = _no_runtime("unix:///nonexistent/docker.sock", _wrapped(system))
    assert what in error.what
    assert error.why == system.strerror
    assert hint in (error.hint or "")


def test_words_of_a_full_disk_in_a_container_s_log_say_nothing_of_the_store(tmp_path: Path) -> None:
    error = RuntimeFull("the wheel failed", why=f"head: {os.strerror(errno.ENOSPC)}")
    assert fault_of_store(error, tmp_path, b"") is None
    here = StepFailed("the wheel failed", why=f"head: {os.strerror(errno.ENOSPC)}")
    assert fault_of_store(here, tmp_path, b"") == os.strerror(errno.ENOSPC)


def _in_image(root: Path, has: Callable[[str], bool]) -> Ended:
    return Ended("the wheel", "build", root, "exit status 127", True, has, "quay.io/pypa/x:1")


def test_a_program_that_is_missing_is_looked_for_in_the_image_and_not_on_this_host(
    tmp_path: Path,
) -> None:
    lines = ["/bin/sh: 1: sh: not found"]
    error = diagnosed(_in_image(tmp_path, lambda _name: False), lines)
    assert isinstance(error, ToolNotDeclared), "this host has a sh"
    assert "the image quay.io/pypa/x:1 has no program sh" in error.what
    assert "install it by before-all in [build]" in (error.hint or "")
    assert type(diagnosed(_in_image(tmp_path, lambda _name: True), lines)) is StepFailed


def test_a_runtime_s_own_words_of_a_missing_program_name_it(tmp_path: Path) -> None:
    line = (
        "OCI runtime exec failed: exec failed: unable to start container process: "
        'exec: "frobnicate": executable file not found in $PATH: unknown'
    )
    error = diagnosed(_in_image(tmp_path, lambda _name: False), [line])
    assert isinstance(error, ToolNotDeclared)
    assert "frobnicate" in error.what


def test_a_full_disk_is_the_runtime_s_in_a_container_only(tmp_path: Path) -> None:
    lines = ["head: error writing 'standard output': No space left on device"]
    inside = _in_image(tmp_path, lambda _name: True)
    assert isinstance(diagnosed(inside, lines), RuntimeFull)
    here = Ended("the wheel", "build", tmp_path, "exit status 1", True, lambda _name: True)
    assert type(diagnosed(here, lines)) is StepFailed


# --- what a killed process left -----------------------------------------------------------------


class _Listing:
    """A runtime's API that lists containers with these labels."""

    def __init__(self, *marks: str) -> None:
        self._found = [
            {"Id": str(number), "Labels": {LABEL: mark}} for number, mark in enumerate(marks)
        ]
        self.removed: list[str] = []

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return self._found

    def remove_container(self, identifier: str, **_: Any) -> None:
        self.removed.append(identifier)


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="tells processes apart by /proc")
def test_only_containers_of_processes_of_this_machine_that_are_no_more_are_reaped() -> None:
    mine = own_mark()
    where, process, started = mine.split(" ")
    dead = f"{where} {2**22 + 1} 5"
    reused = f"{where} {process} {int(started) - 1}"
    elsewhere = f"other/pid:[1] {2**22 + 1} 5"
    api = _Listing(mine, dead, reused, elsewhere, "", "some words", f"{where} x y")
    runtime = ContainerRuntime(
        SimpleNamespace(api=api), "Docker", "unix:///socket", "", "x86_64", bridged=False
    )
    reap(runtime)
    assert api.removed == ["1", "2"]
