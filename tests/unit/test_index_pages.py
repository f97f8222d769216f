"""The files of a project at an index are read from its JSON or its HTML; any other page is an error."""

import base64
import io
import json
from email.message import Message
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from mpforge.errors import IndexUnreachable
from mpforge.obtain.packages import index_pages
from mpforge.obtain.packages.index_pages import Account, Offer, offers

WHEEL = "tiny-1.0-py3-none-any.whl"
JSON = {
    "meta": {"api-version": "1.1"},
    "name": "tiny",
    "files": [
        {
            "filename": WHEEL,
            "url": f"../../files/{WHEEL}",
            "hashes": {"sha256": "ab" * 32},
            "size": 7,
            "requires-python": ">=3.8",
            "yanked": "broken",
            "core-metadata": True,
        },
        {
            "filename": "tiny-1.0.tar.gz",
            "url": "https://files.example/tiny-1.0.tar.gz",
            "hashes": {},
        },
    ],
}
HTML = f"""<!DOCTYPE html><html><head><base href="/files/"></head><body>
<a href="{WHEEL}#sha256={"ab" * 32}" data-requires-python="&gt;=3.8" data-yanked="">{WHEEL}</a><br>
<a href="https://files.example/tiny-1.0.tar.gz#md5=00">tiny-1.0.tar.gz</a></body></html>"""


class Server:
    """An index that answers what a test says: status, media type, text, and whose address answered."""

    def __init__(self) -> None:
        self.status, self.kind, self.text, self.at = 200, "text/html", HTML, ""
        self.asked: list[Request] = []

    def urlopen(self, request: Request, *, timeout: float) -> "Answer":
        self.asked.append(request)
        if self.status != 200:
            raise HTTPError(request.full_url, self.status, "No", Message(), None)
        return Answer(self, self.at or request.full_url)


class Answer(io.BytesIO):
    """A response of urllib."""

    def __init__(self, server: Server, address: str) -> None:
        super().__init__(server.text.encode())
        self.headers = Message()
        self.headers["Content-Type"] = server.kind
        self._address = address

    def geturl(self) -> str:
        return self._address


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(index_pages, "urlopen", made.urlopen)
    return made


INDEX = "https://index.example/simple"


@pytest.mark.parametrize(
    ("kind", "text", "size"),
    [
        ("application/vnd.pypi.simple.v1+json", json.dumps(JSON), 7),
        ("text/html; charset=utf-8", HTML, None),
    ],
)
def test_json_and_html_say_the_same(server: Server, kind: str, text: str, size: int | None) -> None:
    server.kind, server.text = kind, text
    wheel, sdist = offers(INDEX, "Tiny")
    place = f"https://index.example/files/{WHEEL}"
    assert wheel == Offer(WHEEL, place, "ab" * 32, size, ">=3.8", yanked=True)
    assert sdist == Offer("tiny-1.0.tar.gz", "https://files.example/tiny-1.0.tar.gz")
    assert [request.full_url for request in server.asked] == [f"{INDEX}/tiny/"]


def test_an_unknown_project_has_no_files(server: Server) -> None:
    server.status = 404
    assert offers(f"{INDEX}/", "tiny") == ()


def test_a_secret_is_for_its_index_only_and_not_shown(server: Server) -> None:
    server.status = 403
    with pytest.raises(IndexUnreachable, match=f"{INDEX} denies access") as caught:
        offers(INDEX.replace("//", "//me:secret@"), "tiny")
    assert "secret" not in str(caught.value)
    with pytest.raises(IndexUnreachable):
        offers(INDEX, "tiny", Account("me", "secret"))
    assert "secret" not in repr(Account("me", "secret"))
    token = base64.b64encode(b"me:secret").decode()
    for request in server.asked:
        assert request.full_url == f"{INDEX}/tiny/"
        assert "Authorization" not in request.headers  # these go where an index redirects to
        assert request.unredirected_hdrs["Authorization"] == f"Basic {token}"


def test_files_of_another_index_are_not_its_own(server: Server) -> None:
    server.at = "https://elsewhere.example/simple/tiny/"
    assert len(offers(INDEX, "tiny")) == 2
    assert offers(INDEX, "tiny", own=True) == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{}]}', '{"files": 1}', "[" * 100_000])
def test_a_page_that_is_no_index_s_is_an_error(server: Server, text: str) -> None:
    server.kind, server.text = "application/json", text
    with pytest.raises(IndexUnreachable, match="its page for tiny can't be read"):
        offers(INDEX, "tiny")


@pytest.mark.parametrize("url", ["file:///etc", "ftp://127.0.0.1/simple", "simple"])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(IndexUnreachable, match="is not an http:// or https:// address"):
        offers(url, "tiny")
