"""`mpforge release` to a real index of this machine, by the real uv."""

import contextlib
import http.client
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uv

from tests.e2e.conftest import write_project
from tests.e2e.workspace import Cache
from tests.integration.checkout import Checkout
from tests.released import publish

pytestmark = pytest.mark.network

SERVER = "pypiserver==2.4.2"
TARGETS = ("aarch64", "s390x", "riscv64", "x86_64")
START = """\
import sys
import pypiserver, wsgiref.simple_server
app = pypiserver.app(
    roots=[sys.argv[2]], authenticate=["update"], disable_fallback=True,
    auther=lambda user, password: (user, password) == ("me", "opensesame"),
)
server = wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), app)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def index(place: Path) -> Iterator[tuple[int, Path]]:
    """A pypiserver: its port, and the directory with its files."""
    program, files = place / "server", place / "files"
    files.mkdir()
    for words in (("venv", "-q", program), ("pip", "install", "-q", "-p", program, SERVER)):
        subprocess.run([uv.find_uv_bin(), *words], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [str(program / "bin" / "python"), "-c", START, str(port), str(files)]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        yield port, files
        run.kill()


@contextlib.contextmanager
def gate(port: int, after: int) -> Iterator[tuple[int, threading.Event]]:
    """A way to the index that takes so many uploads and holds the next: its port; set when it holds one."""
    reached, opened = threading.Event(), threading.Event()
    taken: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(taken) == after:
                reached.set()
                opened.wait()
                return
            there = http.client.HTTPConnection("127.0.0.1", port)
            there.request("POST", self.path, body, dict(self.headers.items()))
            answer = there.getresponse()
            said = answer.read()
            taken.append(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, reached
        finally:
            opened.set()
            server.shutdown()
            thread.join()


def test_nine_files_reach_an_index_although_the_upload_breaks_off_and_pip_installs_from_it(
    place: Path, index: tuple[int, Path]
) -> None:
    checkout = Checkout(place / "project", Cache(place / "cache"))
    write_project(checkout)
    checkout.edit("multiplatform.toml", '["cp311"]', '["cp311", "cp312"]')
    checkout.edit("multiplatform.toml", '["aarch64"]', str(list(TARGETS)).replace("'", '"'))
    files = {path.name: path.read_bytes() for path in publish(checkout).values()}
    assert len(files) == 9
    port, there = index
    simple = f"http://127.0.0.1:{port}/simple/"
    checkout.variables |= {"UV_PUBLISH_USERNAME": "me", "UV_PUBLISH_PASSWORD": "opensesame"}
    with gate(port, after=4) as (way, reached):
        words = ("release", "--check-url", simple, "--publish-url", f"http://127.0.0.1:{way}/")
        with checkout.started("mpforge", *words) as running:
            assert reached.wait(120)
            running.signal(signal.SIGINT, group=True)
            run = running.end()
        assert run.code == 130, str(run)
    assert len(list(there.iterdir())) == 4
    to = ("--check-url", simple, "--publish-url", f"http://127.0.0.1:{port}/")
    run = checkout.mpforge("release", *to)
    assert run.code == 0, str(run)
    assert "5 uploaded, 4 there already" in run.output
    assert {path.name: path.read_bytes() for path in there.iterdir()} == files
    installed = place / "installed"
    pip = [uv.find_uv_bin(), "pip", "install", "-q", "--target", str(installed), "--no-cache"]
    pip += ["--python-version", "3.12", "--only-binary", ":all:", "--default-index", simple, "tiny"]
    subprocess.run(pip, check=True)
    assert "cp312" in (installed / "tiny" / "__init__.py").read_text()
    other = there / next(iter(files))
    other.write_bytes(other.read_bytes() + b"x")
    run = checkout.mpforge("release", *to)
    assert run.code == 1
    assert "upload-conflict: " in run.output
    assert other.name in run.output
