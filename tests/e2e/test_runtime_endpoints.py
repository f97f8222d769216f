"""By which address, and how, the runtime is spoken to: contexts of Docker's, and TLS."""

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import build_in, new_project
from tests.e2e.workspace import Cache, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.daemon import daemon, why_no_daemon

pytestmark = pytest.mark.docker

# A certificate authority, and certificates of its own for the runtime (at 127.0.0.1) and for a client.
CERTIFICATES = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
for who in server client; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who-key.pem -out $who.csr
  printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=%sAuth\\n' $who > $who.cnf
  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \\
    -extfile $who.cnf -out $who.pem
done
mv client.pem cert.pem
mv client-key.pem key.pem
"""


@pytest.fixture
def workspace(place: Path) -> Workspace:
    """Where doctor is asked, by a user with a home of its own."""
    made = Workspace(place / "project", Cache(place / "cache"))
    made.root.mkdir()
    home = {"HOME": str(place), "DOCKER_CONFIG": str(place / ".docker")}
    made.variables |= {**home, "DOCKER_HOST": None, "DOCKER_CONTEXT": None}
    return made


def runtime_of(workspace: Workspace) -> tuple[str | None, str]:
    """The address of the runtime that doctor finds, and what it says where there is none."""
    run = workspace.mpforge("doctor", "--json")
    assert run.code == 0, str(run)
    told = json.loads(run.output)["containers"]
    address = None if told["engine"] is None else told["engine"]["endpoint"]
    return address, f"{told['why']} -> {told['remedy']}"


@pytest.fixture(scope="module")
def guarded(
    runtime: ContainerRuntime, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Path]]:
    """A runtime that wants a client's certificate: its address, and where the certificates are."""
    if (reason := why_no_daemon()) is not None:
        pytest.skip(f"docker: {reason}")
    image = request.getfixturevalue(f"manylinux_{NATIVE}_image")
    with tempfile.TemporaryDirectory(prefix="mpforge-certificates-") as name:
        folder = Path(name)
        subprocess.run(["sh", "-c", CERTIFICATES], cwd=folder, check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}"
        given = {"tlscacert": "ca.pem", "tlscert": "server.pem", "tlskey": "server-key.pem"}
        files = (f"--{option}={folder / file}" for option, file in given.items())
        options = ("--host", address, "--tlsverify", *files)
        place = Path(tempfile.mkdtemp(prefix="mpforge-runtime-"))
        with daemon(place, megabytes=900, options=options) as own:
            archive = place / "image.tar"
            runtime.call("save", "--output", str(archive), image)
            own.runtime.call("load", "--input", str(archive))
            archive.unlink()
            yield address, folder


def test_a_runtime_that_wants_certificates_is_given_those_of_the_variables(
    workspace: Workspace, guarded: tuple[str, Path]
) -> None:
    address, folder = guarded
    workspace.variables |= {"DOCKER_HOST": address}
    assert runtime_of(workspace)[0] is None
    workspace.variables |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    assert runtime_of(workspace) == (address, "None -> None")
    workspace.variables |= {"DOCKER_CERT_PATH": str(folder / "none")}
    found, said = runtime_of(workspace)
    assert found is None
    assert f"the container runtime at {address} needs certificates that do not exist" in said
    assert f"{folder}/none must have ca.pem, cert.pem, key.pem" in said


def test_a_runtime_that_wants_certificates_is_given_those_of_the_context(
    workspace: Workspace, guarded: tuple[str, Path]
) -> None:
    address, folder = guarded
    given = f"host={address},ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem"
    docker(workspace, "create", "guarded", "--docker", given)
    workspace.variables["DOCKER_CONTEXT"] = "guarded"
    assert runtime_of(workspace) == (address, "None -> None")
    workspace.variables["DOCKER_CONTEXT"] = None
    docker(workspace, "use", "guarded")
    assert runtime_of(workspace)[0] == address


def test_a_build_is_seen_through_by_tls(
    workspace: Workspace, guarded: tuple[str, Path], request: pytest.FixtureRequest
) -> None:
    address, folder = guarded
    boxed = new_project(workspace.root / "boxed", workspace.cache)
    lines = 'before-build = ["seq 100000; echo at the end; exit 3"]'
    image = request.getfixturevalue(f"manylinux_{NATIVE}_image")
    boxed.variables |= {"DOCKER_HOST": address, "DOCKER_TLS_VERIFY": "1"}
    boxed.variables |= {"DOCKER_CERT_PATH": str(folder)}
    build_in(boxed, image, lines)
    run = boxed.nox(f"build-{NATIVE}-cp311")
    assert run.code == 1, str(run)
    said = boxed.log(f"build-{NATIVE}-cp311").splitlines()
    begin = said.index("1")
    assert said[begin : begin + 100001] == [*map(str, range(1, 100001)), "at the end"]
    build_in(boxed, image)
    run = boxed.nox(f"build-{NATIVE}-cp311")
    assert run.code == 0, str(run)
    assert len(boxed.wheels()) == 1


def docker(workspace: Workspace, *words: str) -> None:
    argv = ["docker", "context", *words]
    subprocess.run(argv, env=workspace.environment(), check=True, capture_output=True)


def test_a_context_that_there_is_not_is_no_other_runtime(workspace: Workspace) -> None:
    workspace.variables["DOCKER_CONTEXT"] = "nowhere"
    found, said = runtime_of(workspace)
    assert found is None
    assert "Docker's context nowhere can't be used: there is no such context" in said
    assert "-> run `docker context ls` to list" in said


def test_a_context_that_is_damaged_is_told(workspace: Workspace) -> None:
    docker(workspace, "create", "hurt", "--docker", "host=tcp://127.0.0.1:9")
    for path in Path(str(workspace.variables["DOCKER_CONFIG"])).rglob("meta.json"):
        path.write_text("{", encoding="utf-8")
    workspace.variables["DOCKER_CONTEXT"] = "hurt"
    found, said = runtime_of(workspace)
    assert found is None
    assert "Docker's context hurt can't be used: it can't be read" in said


def test_a_configuration_that_is_damaged_is_no_reason_to_take_another_runtime(
    workspace: Workspace,
) -> None:
    folder = Path(str(workspace.variables["DOCKER_CONFIG"]))
    folder.mkdir()
    (folder / "config.json").write_text("{", encoding="utf-8")
    found, said = runtime_of(workspace)
    assert found is None
    assert "Docker's configuration can't be read" in said
    assert str(folder / "config.json") in said
