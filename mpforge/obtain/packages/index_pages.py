"""Read the files that an index has of a project: JSON (PEP 691), else HTML (PEP 503).

uv resolves and installs; this answers what uv has no command for: every file of every version. Knows nothing
of what the files are for.
"""

import base64
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, urlopen

from mpforge.errors import IndexUnreachable
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.plan.requirements import normal_name

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPTED = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SECONDS = 60.0


@dataclass(frozen=True)
class Offer:
    """A file of an index; ``sha256`` is empty, ``size`` and ``requires_python`` None, if it does not say."""

    filename: str
    address: str = field(repr=False)
    sha256: str = ""
    size: int | None = None
    requires_python: str | None = None
    yanked: bool = False


@dataclass(frozen=True)
class Account:
    """A user and password, or token, that never show in a message."""

    username: str = field(repr=False)
    password: str = field(repr=False)


def offers(
    index: str, name: str, account: Account | None = None, *, own: bool = False
) -> tuple[Offer, ...]:
    """Return the files of a project at an index (``…/simple``); none if it does not know the project.

    With ``own``, files to which the index only redirects (pypiserver to PyPI) are not counted.

    Raises ``IndexUnreachable`` if it does not answer, denies access, or answers with something else.
    """
    page = f"{index.rstrip('/')}/{normal_name(name)}/"
    try:
        with urlopen(request(page, account, accept=_ACCEPTED), timeout=_SECONDS) as answer:  # noqa: S310 - see request
            data, address = answer.read(), answer.geturl()
            kind = answer.headers.get_content_type()
    except HTTPError as error:
        if error.code in {404, 410}:
            return ()
        raise _unreachable(index, f"{error.code} {error.reason} for {name}", error.code) from None
    except (OSError, ValueError) as error:
        raise _unreachable(index, str(getattr(error, "reason", error))) from None
    if own and urlsplit(address).netloc != urlsplit(without_credentials(index)).netloc:
        return ()
    try:
        if kind.endswith("json"):
            return tuple(_from_json(item, address) for item in json.loads(data)["files"])
        return _from_html(data.decode("utf-8", "replace"), address)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreachable(index, f"its page for {name} can't be read: {error}") from None


def request(address: str, account: Account | None = None, *, accept: str = "*/*") -> Request:
    """Return a request with the account, or with the user and password of the address itself.

    Raises ``ValueError`` for an address that is not of the web.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{without_credentials(address)} is not an http:// or https:// address")
    if parts.username is not None:
        account = Account(unquote(parts.username), unquote(parts.password or ""))
    headers = {"Accept": accept, "User-Agent": "mpforge"}
    asked = Request(without_credentials(address), headers=headers)  # noqa: S310 - http or https, see above
    if account is not None:
        token = base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
        asked.add_unredirected_header("Authorization", f"Basic {token}")  # for this host only
    return asked


def _unreachable(index: str, why: str, code: int = 0) -> IndexUnreachable:
    denied = code in {401, 403}
    return IndexUnreachable(
        f"the package index {without_credentials(index)} "
        + ("denies access" if denied else "gave no usable answer"),
        why=without_credentials(why),
        hint="check the credentials, and the variables that the spec names for them"
        if denied
        else "check the address and the network (a proxy: HTTPS_PROXY)",
    )


def _from_json(item: dict[str, Any], page: str) -> Offer:
    hashes = item.get("hashes") or {}
    wanted = item.get("requires-python")
    return Offer(
        filename=str(item["filename"]),
        address=urljoin(page, str(item["url"])),
        sha256=str(hashes.get("sha256", "")),
        size=item["size"] if isinstance(item.get("size"), int) else None,
        requires_python=str(wanted) if wanted else None,
        yanked=bool(item.get("yanked")),
    )


def _from_html(text: str, page: str) -> tuple[Offer, ...]:
    reader = _Links(page)
    reader.feed(text)
    return tuple(reader.offers)


class _Links(HTMLParser):
    """Collects the links of a page, relative to its address or its ``<base>``."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._base = page
        self.offers: list[Offer] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("href") or ""
        if tag == "base" and address:
            self._base = urljoin(self._base, address)
        if tag != "a" or not address:
            return
        place, _, fragment = urljoin(self._base, address).partition("#")
        self.offers.append(
            Offer(
                filename=unquote(urlsplit(place).path).rsplit("/", 1)[-1],
                address=place,
                sha256=fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else "",
                requires_python=given.get("data-requires-python") or None,
                yanked="data-yanked" in given,
            )
        )
