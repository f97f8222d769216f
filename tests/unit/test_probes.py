"""What a runtime runs, asked of one that is made of a table; and for how long the answer is believed."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from mpforge.errors import RuntimeRefuses
from mpforge.places.containers import binfmt, runtime_probe
from mpforge.places.containers.connection import ContainerRuntime, nature
from mpforge.places.containers.runtime_probe import Probes, ask
from mpforge.platforms import well_known

QEMU = "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)"
HANDLER = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@dataclass
class FakeRuntime:
    """The SDK's client, low level part included: ``runs`` has exit status and output, or a complaint."""

    runs: Mapping[str, tuple[int, str] | str]
    about: Mapping[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> "FakeRuntime":
        return self

    def info(self) -> Mapping[str, Any]:
        return self.about

    def images(self, name: str) -> list[str]:
        return [name]

    def create_host_config(self, **options: object) -> Mapping[str, object]:
        assert "privileged" not in options
        return options

    def create_container(self, _image: str, command: list[str], **_: object) -> Mapping[str, str]:
        self.asked.append(command[0].removeprefix("/"))
        identifier = str(len(self.asked))
        self.left[identifier] = self.asked[-1]
        return {"Id": identifier}

    def _answer(self, identifier: str) -> tuple[int, str]:
        answer = self.runs.get(self.left[identifier], (1, "exec format error"))
        if isinstance(answer, str):
            raise APIError(answer, explanation=answer)
        return answer

    def start(self, identifier: str) -> None:
        self._answer(identifier)

    def wait(self, identifier: str, timeout: float) -> Mapping[str, int]:
        assert timeout
        return {"StatusCode": self._answer(identifier)[0]}

    def logs(self, identifier: str) -> bytes:
        return self._answer(identifier)[1].encode()

    def remove_container(self, identifier: str, *, force: bool) -> None:
        assert force
        del self.left[identifier]


HERE = {"Name": platform.node(), "KernelVersion": platform.release()}


def intel(
    runs: Mapping[str, tuple[int, str] | str], endpoint: str = "unix:///no/socket"
) -> ContainerRuntime:
    fake = FakeRuntime({"x86_64": (42, ""), **runs}, HERE)
    return ContainerRuntime(fake, "Docker", endpoint, "20", "x86_64", bridged=True)


def asked(runtime: ContainerRuntime) -> list[str]:
    fake: FakeRuntime = runtime.client
    assert fake.left == {}, "no container is left"
    return fake.asked


# --- asking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "how"),
    [
        ("x86_64", (42, ""), "native"),
        ("i686", (42, ""), "native"),
        ("aarch64", (0, f"{QEMU}\nCopyright (c) 2003-2022\n"), QEMU),
        ("aarch64_musl", (0, QEMU), QEMU),
        ("aarch64", (1, "exec /aarch64: exec format error"), ""),
        ("aarch64", (139, ""), ""),
        ("aarch64", (42, ""), "an unknown emulator"),
        ("macos_arm64", (42, ""), ""),
    ],
)
def test_a_runtime_says_how_it_runs_a_platform(name: str, answer: Any, how: str) -> None:
    runtime = intel({name.removesuffix("_musl"): answer})
    assert ask(runtime, name) == how
    assert len(asked(runtime)) <= 1


def test_a_program_that_is_refused_at_its_start_is_not_run() -> None:
    runtime = intel({"aarch64": "exec /aarch64: no such file or directory"})
    assert ask(runtime, "aarch64") == ""
    assert asked(runtime) == ["aarch64", "x86_64"]


def test_a_runtime_that_starts_nothing_is_not_one_that_lacks_an_emulator() -> None:
    runtime = intel(dict.fromkeys(("aarch64", "x86_64"), "error setting rlimit type 7"))
    with pytest.raises(RuntimeRefuses, match="rlimit"):
        ask(runtime, "aarch64")
    assert asked(runtime) == ["aarch64", "x86_64"]


def test_a_podman_without_an_init_is_told_which_package_has_it() -> None:
    complaint = "container create: container-init binary not found on the host: stat catatonit"
    runtime = intel({"x86_64": complaint})
    with pytest.raises(RuntimeRefuses) as caught:
        ask(runtime, "x86_64")
    assert "apt-get install catatonit" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("told", "endpoint", "rootless", "here"),
    [
        (HERE, "unix:///run/docker.sock", False, True),
        ({**HERE, "Rootless": True}, "unix:///run/docker.sock", True, True),
        ({**HERE, "SecurityOptions": ["name=rootless"]}, "unix:///run/docker.sock", True, True),
        ({**HERE, "Name": "docker-desktop"}, "unix:///run/docker.sock", False, False),
        ({**HERE, "KernelVersion": "1"}, "unix:///run/docker.sock", False, False),
        (HERE, "tcp://10.0.0.1:2376", False, False),
    ],
)
def test_a_runtime_says_whether_it_is_rootless_and_on_this_machine(
    told: Mapping[str, Any], endpoint: str, rootless: bool, here: bool
) -> None:
    runtime = ContainerRuntime(
        FakeRuntime({}, told), "Docker", endpoint, "20", "x86_64", bridged=True
    )
    found = nature(runtime)
    assert (found.rootless, found.here) == (rootless, here)


# --- remembering ------------------------------------------------------------------------------


@pytest.fixture
def local(tmp_path: Path) -> ContainerRuntime:
    (tmp_path / "socket").touch()
    (tmp_path / "binfmt").mkdir()
    (tmp_path / "binfmt" / "status").write_text("enabled\n")
    (tmp_path / "binfmt" / "qemu-aarch64").write_text(HANDLER)
    return intel({"aarch64": (0, QEMU)}, f"unix://{tmp_path / 'socket'}")


def program(name: str) -> bytes:
    return runtime_probe.program(well_known()[name])


def probes(root: Path, clock: Callable[[], float] = lambda: 1e9) -> Probes:
    return Probes(root / "cache" / "platforms.json", handlers=root / "binfmt", clock=clock)


def test_a_runtime_is_asked_once(local: ContainerRuntime, tmp_path: Path) -> None:
    assert probes(tmp_path).remembered(local.endpoint, "aarch64") is None
    for _ in range(2):
        assert probes(tmp_path).how(local, "aarch64") == QEMU
        assert probes(tmp_path).how(local, "x86_64") == "native"
    assert asked(local) == ["aarch64", "x86_64"]
    later = probes(tmp_path, lambda: 2e9)
    assert later.remembered(local.endpoint, "aarch64") == QEMU


def test_what_was_not_run_is_asked_for_again(local: ContainerRuntime, tmp_path: Path) -> None:
    for _ in range(2):
        assert probes(tmp_path).how(local, "s390x") == ""
    assert asked(local) == ["s390x", "s390x"]


def _new_socket(root: Path) -> None:
    (root / "new").touch()
    (root / "new").rename(root / "socket")


def _same_handler_anew(root: Path) -> None:
    (root / "new").write_text(HANDLER)
    (root / "new").rename(root / "binfmt" / "qemu-aarch64")


@pytest.mark.parametrize(
    "change",
    [
        _new_socket,
        _same_handler_anew,
        lambda root: (root / "binfmt" / "qemu-aarch64").write_text(HANDLER.replace("POF", "PO")),
        lambda root: (root / "binfmt" / "qemu-aarch64").unlink(),
        lambda root: (root / "binfmt" / "rosetta").write_text(HANDLER),
        lambda root: (root / "binfmt" / "status").write_text("disabled\n"),
    ],
    ids=["socket", "handler anew", "flags", "handler gone", "another handler", "all disabled"],
)
def test_it_is_forgotten_when_the_runtime_or_a_handler_is_new(
    local: ContainerRuntime, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    probes(tmp_path).how(local, "aarch64")
    change(tmp_path)
    assert probes(tmp_path).remembered(local.endpoint, "aarch64") is None


def test_it_is_forgotten_when_the_emulators_file_is_new(
    local: ContainerRuntime, tmp_path: Path
) -> None:
    emulator = tmp_path / "qemu"
    emulator.write_bytes(b"7.2")
    text = HANDLER.replace("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", str(emulator))
    (tmp_path / "binfmt" / "qemu-aarch64").write_text(text)
    probes(tmp_path).how(local, "aarch64")
    assert probes(tmp_path).remembered(local.endpoint, "aarch64") == QEMU
    emulator.write_bytes(b"10.0")
    assert probes(tmp_path).remembered(local.endpoint, "aarch64") is None


@pytest.mark.parametrize(("later", "known"), [(0, QEMU), (3599, QEMU), (3600, None), (-1, None)])
def test_a_runtime_elsewhere_is_believed_for_an_hour(
    tmp_path: Path, later: float, known: str | None
) -> None:
    runtime = intel({"aarch64": (0, QEMU)}, "tcp://10.0.0.1:2376")
    probes(tmp_path).how(runtime, "aarch64")
    assert probes(tmp_path, lambda: 1e9 + later).remembered(runtime.endpoint, "aarch64") == known


def test_asking_anew_replaces_what_was_known_of_that_runtime_alone(
    local: ContainerRuntime, tmp_path: Path
) -> None:
    other = intel({"aarch64": (0, QEMU)}, "tcp://10.0.0.1:2376")
    for runtime in (local, other):
        probes(tmp_path).how(runtime, "aarch64")
    local.client.runs = {"x86_64": (42, "")}
    found = probes(tmp_path).anew(local, ["aarch64", "x86_64"])
    assert found == {"aarch64": "", "x86_64": "native"}
    assert not probes(tmp_path).remembered(local.endpoint, "aarch64")
    assert probes(tmp_path).remembered(other.endpoint, "aarch64") == QEMU


def test_what_is_ready_is_remembered_beside_it_as_long(
    local: ContainerRuntime, tmp_path: Path
) -> None:
    probes(tmp_path).how(local, "aarch64")
    probes(tmp_path).remember_prepared(local.endpoint, "image")
    assert probes(tmp_path).remembered(local.endpoint, "aarch64") == QEMU
    probes(tmp_path).anew(local, ["x86_64"])
    assert probes(tmp_path).was_prepared(local.endpoint, "image")
    assert not probes(tmp_path).was_prepared(local.endpoint, "another")
    _new_socket(tmp_path)
    assert not probes(tmp_path).was_prepared(local.endpoint, "image")
    probes(tmp_path).remember_prepared(local.endpoint, "image")
    assert probes(tmp_path).was_prepared(local.endpoint, "image")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"unix:///no/socket": {"platforms": 1}}'])
def test_a_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "platforms.json").write_text(content)
    runtime = intel({"aarch64": (0, QEMU)})
    assert probes(tmp_path).remembered(runtime.endpoint, "aarch64") is None
    assert probes(tmp_path).how(runtime, "aarch64") == QEMU


# --- the kernel's handlers --------------------------------------------------------------------


def test_a_handler_is_read_as_the_kernel_shows_it() -> None:
    handler = binfmt.parse("qemu-aarch64", HANDLER)
    assert handler is not None
    assert (handler.enabled, handler.flags, handler.offset) == (True, "POF", 0)
    assert handler.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    assert handler.is_fixed
    taken = [name for name in runtime_probe.PROBED if handler.takes(program(name))]
    assert taken == ["aarch64"]


def test_a_handler_without_flags_is_not_fixed() -> None:
    text = HANDLER.replace("flags: POF", "flags: ").replace("enabled", "disabled")
    handler = binfmt.parse("qemu-aarch64", text)
    assert handler is not None
    assert (handler.enabled, handler.is_fixed) == (False, False)


@pytest.mark.parametrize(
    "text", ["enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n", "", "magic zz"]
)
def test_what_goes_by_a_files_name_is_no_handler_of_programs(text: str) -> None:
    assert binfmt.parse("jar", text) is None


def test_the_handler_that_serves_containers_counts(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").touch()
    (tmp_path / "a").write_text(HANDLER.replace("POF", "P"))
    (tmp_path / "b").write_text(HANDLER)
    (tmp_path / "jar").write_text("enabled\nextension .jar\n")
    found = binfmt.read(tmp_path)
    assert (found.enabled, [handler.name for handler in found.each]) == (True, ["a", "b"])
    chosen = found.of(program("aarch64"))
    assert chosen is not None
    assert chosen.name == "b"
    assert found.of(program("s390x")) is None
    assert binfmt.read(tmp_path / "none") == binfmt.Handlers(None)
