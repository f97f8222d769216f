"""What a step sees of the network and of the host's processes."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.plain_project import BUILD, HERE, TEST, spec, write_plain
from tests.e2e.workspace import PROGRAMS, Cache, Run, Workspace

pytestmark = [pytest.mark.gcc]


NOBODY = 65534


def without(kind: str) -> list[str]:
    """Words that run a program in a user namespace of its own where nobody may make such namespaces."""
    limit = f"echo 0 > /proc/sys/user/max_{kind}_namespaces"
    return ["unshare", "--user", "--map-root-user", "sh", "-c", f'{limit} && exec "$@"', "sh"]


CLOSED = without("net")


@dataclass
class Listener:
    """What listens on this host's loopback, and what it was told."""

    socket: socket.socket
    heard: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        found: int = self.socket.getsockname()[1]
        return found

    def listen(self) -> None:
        """Hear everybody out until the socket is closed."""
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.makefile("rb").read())


@contextmanager
def listening() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server)
        thread = threading.Thread(target=listener.listen)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


def said(listener: Listener) -> str:
    """A command that speaks to what listens on 127.0.0.1."""
    return f"echo from the step > /dev/tcp/127.0.0.1/{listener.port}"


@pytest.mark.offline
def test_a_build_reaches_nothing_that_listens_on_the_host_unless_it_declares_the_network(
    plain: Workspace, listener: Listener
) -> None:
    write_plain(plain, said(listener))
    run = plain.nox(BUILD)
    assert run.code == 1, str(run)
    assert listener.heard == []
    spec(plain, "network = true")
    run = plain.nox(BUILD)
    assert run.code == 0, str(run)
    assert listener.heard == [b"from the step\n"]


@pytest.mark.offline
def test_a_build_may_serve_and_connect_on_its_own_loopback(plain: Workspace) -> None:
    write_plain(
        plain,
        """
python3 - <<'END'
import socket
for family, address in (("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")):
    with socket.create_server((address, 0), family=getattr(socket, family)) as server:
        client = socket.create_connection(server.getsockname()[:2])
        peer, _ = server.accept()
        peer.sendall(b"heard")
        print(family, client.recv(5).decode())
        peer.close(), client.close()
END
""",
    )
    spec(plain, 'tools = ["python3"]')
    run = plain.nox(BUILD)
    assert run.code == 0, str(run)
    assert "AF_INET heard\nAF_INET6 heard\n" in plain.log(BUILD)


@pytest.mark.offline
def test_a_test_reaches_the_host_only_if_it_declares_the_network(
    plain: Workspace, listener: Listener
) -> None:
    tests = ["[test]", f"command = [\"bash -c '{said(listener)}'\"]"]
    spec(plain, *tests)
    run = plain.nox(TEST)
    assert run.code == 1, str(run)
    assert "tests-failed" in run.reason(TEST)
    assert listener.heard == []
    spec(plain, "network = true")
    run = plain.nox(TEST)
    assert run.code == 0, str(run)
    assert BUILD in run.cached, "the build does not ask for it"
    assert listener.heard == [b"from the step\n"]
    (tested,) = plain.record()[f"{HERE}/out.txt"]["tests"].values()
    assert tested["network"] == "declared"


@pytest.mark.cross
@pytest.mark.emulation
@pytest.mark.network
@pytest.mark.offline
def test_an_emulated_test_is_kept_off_the_network_too(
    workspace: Workspace, listener: Listener
) -> None:
    workspace.write("tests/test_tiny.py", EMULATED.replace("PORT", str(listener.port)))
    run = workspace.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert "heard by itself on aarch64, not by the host" in workspace.log("test-aarch64-cp311")
    assert listener.heard == []
    (tested,) = workspace.record()[workspace.wheel().name]["tests"].values()
    assert tested["network"] == "none"


EMULATED = """
    import os
    import socket
    import sys
    import unittest


    class Network(unittest.TestCase):
        def test_it(self):
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", PORT))
            with socket.create_server(("127.0.0.1", 0)) as server:
                client = socket.create_connection(server.getsockname())
                peer, _ = server.accept()
                peer.close()
                client.close()
            print("heard by itself on " + os.uname().machine + ", not by the host", flush=True)
            self.assertEqual(os.environ["VIRTUAL_ENV"], sys.prefix)
"""


@pytest.mark.offline
def test_a_build_that_wants_an_address_is_told_how_to_get_the_network(plain: Workspace) -> None:
    write_plain(plain, "python3 -c \"import urllib.request as r; r.urlopen('http://a.test/x')\"")
    spec(plain, 'tools = ["python3"]')
    run = plain.nox(BUILD)
    assert run.code == 1, str(run)
    assert "the step has no network; set [build] network = true if it needs one" in run.output


@contextmanager
def for_everybody() -> Iterator[Path]:
    """A directory that other users reach too."""
    root = Path(tempfile.mkdtemp(prefix="mpforge-everybody-"))
    root.chmod(0o777)
    try:
        yield root
    finally:
        shutil.rmtree(root)


def started_by(words: list[str], workspace: Workspace, *, of: str = "nox") -> Run:
    """Run nox for the build, started by other words."""
    done = subprocess.run(
        [*words, str(PROGRAMS / of), "-s", BUILD],
        cwd=workspace.root,
        env=workspace.environment({"HOME": str(workspace.root)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout)


@pytest.mark.offline
def test_a_user_without_privileges_is_kept_off_the_network_and_owns_what_is_made(
    listener: Listener,
) -> None:
    user = os.geteuid() or NOBODY
    words = []
    if os.geteuid() == 0:
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        asked = [*words, str(PROGRAMS / "python"), "-c", "import mpforge"]
        if subprocess.run(asked, cwd="/", check=False).returncode != 0:
            pytest.xfail("mpforge is installed where another user can't read it")
    with for_everybody() as root:
        project = Workspace(root / "project", Cache(root / "cache"))
        write_plain(project, f"touch mine; stat -c 'I own %u' mine; id -u\n! {said(listener)}")
        if words:
            subprocess.run(["chown", "-R", f"{user}:{user}", root], check=True)
        run = started_by(words, project)
        assert run.code == 0, str(run)
        assert "I own 1000\n1000\n" in project.log(BUILD), "whoever runs mpforge"
        assert (project.dist / HERE / "out.txt").stat().st_uid == user
    assert listener.heard == []


# What a step could do to the host, and through mpforge's processes, if it were not kept apart.
SEARCHING = """
python3 - <<'END'
import ctypes, os, pathlib, socket, subprocess

def refused(what, call):
    try:
        answer = call()
    except (OSError, subprocess.CalledProcessError) as error:
        print("refused", what, error)
    else:
        raise SystemExit(f"{what}: {answer!r}")

libc = ctypes.CDLL(None, use_errno=True)
seen = [int(p) for p in os.listdir("/proc") if p.isdigit()]
print("processes:", seen)
refused("the environment of PID 1", lambda: open("/proc/1/environ", "rb"))
for pid in set(seen) - {1}:
    assert b"PLANTED" not in open(f"/proc/{pid}/environ", "rb").read(), pid
for pid in ("1", "self"):
    for kind in ("net", "mnt", "pid", "user"):
        def enter():
            with open(f"/proc/{pid}/ns/{kind}") as file:
                if libc.setns(file.fileno(), 0):
                    raise OSError(ctypes.get_errno(), "setns")
        refused(f"namespace {kind}", enter)
def connect():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\\0ABSTRACT")
refused("an abstract socket", connect)
name = pathlib.Path("/proc/sys/kernel/core_uses_pid")
refused("a setting of the kernel", lambda: name.write_text(name.read_text()))
refused("sysrq", lambda: open("/proc/sysrq-trigger", "w"))
refused("/sys", lambda: open("/sys/kernel/profiling", "w"))
refused("a mount", lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "."], check=True))
refused("a namespace", lambda: subprocess.run(["unshare", "--user", "true"], check=True))
END
(setsid sh -c 'sleep 600 & echo $! > daemon; wait' > /dev/null 2>&1 &)
until test -s daemon; do sleep 0.1; done
hostname; whoami; touch foreign; tar --owner=7 --group=7 -cf foreign.tar foreign
rm foreign; tar -xpf foreign.tar; ls foreign
echo lost > /dev/shm/mpforge-LEFT
"""


@pytest.mark.offline
def test_a_step_finds_nothing_of_the_host_s_processes_and_leaves_nothing(plain: Workspace) -> None:
    name = f"mpforge-{os.getpid()}"
    write_plain(plain, SEARCHING.replace("ABSTRACT", name).replace("LEFT", name))
    spec(plain, 'tools = ["python3", "mount", "unshare", "setsid", "hostname", "whoami"]')
    before = running("sleep\0600\0")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        run = plain.nox(BUILD, env={"PLANTED": "mpforge's"})
    assert run.code == 0, str(run) + plain.log(BUILD)
    log = plain.log(BUILD)
    assert "processes: [1, 2, " in log, "its own PID 1, no other's"
    assert "localhost\nmpforge\nforeign\n" in log
    assert running("sleep\0600\0") == before
    assert not Path("/dev/shm", name).exists()
    (built,) = plain.record().values()
    assert "isolation" not in built


def running(words: str) -> set[str]:
    """The processes of this host with a command line."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_text() == words:
                found.add(path.parent.name)
    return found


@pytest.mark.offline
def test_a_step_that_declares_the_network_is_kept_off_all_else(
    plain: Workspace, listener: Listener
) -> None:
    write_plain(plain, f"{said(listener)}\necho its own: $(cat /proc/1/comm /proc/2/comm)")
    spec(plain, "network = true")
    run = plain.nox(BUILD)
    assert run.code == 0, str(run) + plain.log(BUILD)
    assert listener.heard == [b"from the step\n"]
    assert "its own: init sh\n" in plain.log(BUILD)


@pytest.mark.offline
def test_where_processes_can_t_be_hidden_the_network_still_is_and_that_is_said(
    plain: Workspace, listener: Listener
) -> None:
    write_plain(plain, f"! {said(listener)}; id -u; ! mount -t tmpfs x .; ! test -e {plain.root}")
    spec(plain, 'tools = ["mount"]')
    run = started_by(without("pid"), plain)
    assert run.code == 0, str(run)
    assert listener.heard == []
    assert run.output.count("can't hide its processes") == 1, str(run)
    assert "sysctl -w user.max_pid_namespaces=10000" in run.output
    run = plain.nox(BUILD)
    assert BUILD in run.did, "here more is possible"
    assert BUILD in plain.nox(BUILD).cached


@pytest.mark.offline
def test_a_host_that_can_t_cut_the_network_off_says_so_and_builds(
    plain: Workspace, listener: Listener
) -> None:
    write_plain(plain, said(listener))
    run = started_by(CLOSED, plain)
    assert run.code == 0, str(run)
    assert listener.heard == [b"from the step\n"]
    assert run.output.count("can't isolate steps from its network, files and processes") == 1
    assert len(plain.events("Warned")) == 1
    assert BUILD in started_by(CLOSED, plain).cached
    run = plain.nox(BUILD)
    assert (run.code, listener.heard) == (1, [b"from the step\n"]), (
        "here it is made again, and cut off"
    )


@pytest.mark.offline
def test_a_build_that_alters_its_compiler_where_it_can_fails_and_the_compiler_is_made_again(
    plain: Workspace,
) -> None:
    write_plain(plain, 'chmod u+w "$CC"\necho "# mine" >> "$CC"')
    run = started_by(CLOSED, plain)
    assert run.code == 1, str(run)
    assert "tool-altered" in run.output
    assert not plain.cache.stored()
    write_plain(plain, '! grep mine "$CC"')
    run = started_by(CLOSED, plain)
    assert run.code == 0, str(run)
    assert "makes it again" in run.output


@pytest.mark.offline
def test_doctor_says_whether_steps_are_kept_off_the_network(plain: Workspace) -> None:
    found = plain.json("doctor", "--json")["isolation"]
    assert (found["network"], found["remedy"]) == ("none", None)
    done = subprocess.run(
        [*CLOSED, str(PROGRAMS / "mpforge"), "doctor", "--json"],
        cwd=plain.root,
        env=plain.environment(),
        capture_output=True,
        check=True,
    )
    closed = json.loads(done.stdout)["isolation"]
    assert (closed["network"], closed["namespaces"]) == ("open", False)
    assert closed["remedy"] == "sysctl -w user.max_net_namespaces=10000"
