"""A guard before a registry that wants bearer tokens, as Docker Hub and its like do.

https://distribution.github.io/distribution/spec/auth/token/: who has the password, or the identity token,
gets a token for pulling from a repository; with it requests are passed on. Nothing can be pushed.
"""

import base64
import contextlib
import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TOKEN = "a-token-for-"


class _Guard(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: str, pair: str, identity: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry
        self.basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self.identity = identity
        self.address = f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Guard
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/token":
            known = self.headers.get("Authorization") == self.server.basic
            self._give_token(query, known=known)
        else:
            self._pass_on(path)

    do_HEAD = do_GET  # noqa: N815 - http.server's word

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = self.server.identity in urllib.parse.parse_qs(form).get("refresh_token", ())
        self._give_token(form, known=known)

    def _give_token(self, query: str, *, known: bool) -> None:
        scope = urllib.parse.parse_qs(query).get("scope", [""])[0]
        word = "token" if self.command == "GET" else "access_token"
        if known:
            self._answer(200, {}, json.dumps({word: f"{_TOKEN}{scope}"}).encode())
        else:
            error = {"code": "UNAUTHORIZED", "message": "incorrect username or password"}
            self._answer(401, {}, json.dumps({"errors": [error]}).encode())

    def _pass_on(self, path: str) -> None:
        repository = path.removeprefix("/v2/").partition("/")[0]
        scope = f"repository:{repository}:pull" if repository else ""
        if self.headers.get("Authorization") != f"Bearer {_TOKEN}{scope}":
            fields = f'realm="http://{self.server.address}/token",service="test",scope="{scope}"'
            error = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]})
            self._answer(401, {"WWW-Authenticate": f"Bearer {fields}"}, error.encode())
            return
        with contextlib.closing(http.client.HTTPConnection(self.server.registry)) as inner:
            inner.request(self.command, path, headers={"Accept": self.headers.get("Accept", "*/*")})
            answer = inner.getresponse()
            data = answer.read()
            names = ("Content-Type", "Docker-Content-Digest", "Content-Length")
            kept = {name: value for name in names if (value := answer.getheader(name))}
            self._answer(answer.status, kept, data)

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def guarded(registry: str, *, pair: str, identity: str) -> Iterator[str]:
    """A guard's ``127.0.0.1:PORT`` while the block runs; ``pair`` is ``USER:PASSWORD``."""
    with _Guard(registry, pair, identity) as guard:
        thread = threading.Thread(target=guard.serve_forever, daemon=True)
        thread.start()
        try:
            yield guard.address
        finally:
            guard.shutdown()
            thread.join()
