"""A session with a registry about one repository of images: documents and blobs, by digest.

The API is the OCI distribution specification's. Credentials are those of Docker's own configuration, and no
message contains them.
"""

import base64
import hashlib
import io
import ipaddress
import json
import logging
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from mpforge.errors import (
    HashMismatch,
    ImageUnknown,
    RegistryDenies,
    RegistryUnreachable,
)
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.platforms.image_name import DIGEST, HUB, Parts
from mpforge.store.files import hash_file

_ACCEPTED = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_SECONDS = (10, 60)  # to connect, and between two reads
_LARGEST = 4 << 20  # the limit of registries themselves for a manifest
_SUMMARY = 300
_HUB_ADDRESS = "registry-1.docker.io"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404


def address_of(host: str) -> str:
    """Return the address of the registry that an image's name calls ``host``."""
    return _HUB_ADDRESS if host == HUB else host


def is_loopback(host: str) -> bool:
    """Return whether ``HOST[:PORT]`` is this machine; names are not resolved."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class _Target:
    """The file for an answer of at most so many bytes."""

    file: BinaryIO
    largest: int = _LARGEST


class RegistrySession:
    """A session with a registry about one repository; ``name`` is the image's in messages.

    Its methods raise ``ImageUnknown``, ``RegistryUnreachable``, ``RegistryDenies``, ``HashMismatch``.
    """

    def __init__(self, reference: Parts, name: str) -> None:
        import requests

        logging.getLogger("urllib3").setLevel(logging.WARNING)  # nox shows all messages
        self._at = reference
        self._address = address_of(reference.host)
        self._is_local = is_loopback(reference.host)
        self._name = name
        self._session = requests.Session()
        # Neither a proxy nor .netrc applies to this machine.
        self._session.trust_env = not self._is_local
        self._authorization = ""
        self._knows = False

    def document(self, kind: str, word: str) -> tuple[str, Mapping[str, Any]]:
        """Return the digest and the content of a JSON document of the repository.

        ``kind`` is ``manifests``, with a tag or a digest, or ``blobs``: raises ``KeyError`` for anything but
        a sha256.
        """
        if kind == "blobs" and not DIGEST.fullmatch(word):
            raise KeyError(word)
        with io.BytesIO() as file:
            told = self._get(f"{kind}/{word}", file, _LARGEST)
            data = file.getvalue()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._check(word if DIGEST.fullmatch(word) else told or "", digest)
        return digest, _parsed(data)

    def download(self, digest: str, size: int, path: Path) -> None:
        """Write a blob of so many bytes to a file. Raises ``KeyError`` for any digest but a sha256."""
        if not DIGEST.fullmatch(digest):
            raise KeyError(digest)
        with path.open("wb") as file:
            self._get(f"blobs/{digest}", file, size)
        self._check(digest, f"sha256:{hash_file(path).digest}")

    def _check(self, expected: str, digest: str) -> None:
        if expected.startswith("sha256:") and expected != digest:
            raise HashMismatch(
                f"{self._at.host} sent data for {self._name} that does not match its digest",
                why=f"expected {expected}\n     got {digest}",
                hint="repeat the command; if it fails again, check the registry and any proxy in between",
            )

    # --- requests ------------------------------------------------------------------------------

    def _get(self, path: str, file: BinaryIO, largest: int) -> str | None:
        """Write the content of a path to a file; return its digest as the registry reports it."""
        scheme = "http" if self._is_local else "https"
        address = f"{scheme}://{self._address}/v2/{self._at.repository}/{path}"
        target = _Target(file, largest)
        status, headers, data = self._ask(address, self._authorization, target=target)
        if status == _UNAUTHORIZED and not self._authorization:
            self._authorization = self._authorized(headers.get("WWW-Authenticate", ""))
            if self._authorization:
                status, headers, data = self._ask(address, self._authorization, target=target)
        if status == _OK:
            return headers.get("Docker-Content-Digest")
        raise self._refusal(status, data)

    def _refusal(self, status: int, data: bytes) -> Exception:
        at, name = self._at, self._name
        login = f"docker login{'' if at.host == HUB else f' {at.host}'}"
        if status == _NOT_FOUND:
            return ImageUnknown(
                f"{at.host} has no image {name}",
                why=_said(data) or f"asked at {self._address}",
                hint="name another image in [build] image, or build this one locally",
            )
        if status in (_UNAUTHORIZED, _FORBIDDEN):
            if at.host == HUB and not self._knows:  # the hub answers the same for both
                return ImageUnknown(
                    f"{at.host} has no public image {name}",
                    why=_said(data) or f"asked at {self._address}",
                    hint=f"run `{login}` if the image is private",
                )
            used = "credentials of Docker's configuration" if self._knows else "no credentials"
            return RegistryDenies(
                f"{at.host} denies access to the image {name}",
                why=f"asked with {used}; {_said(data) or f'status {status}'}",
                hint=f"run `{login}` (credentials come from Docker's configuration), and repeat the command",
            )
        return RegistryUnreachable(
            f"the registry {at.host} does not answer for the image {name}",
            why=f"status {status} {_said(data)}".strip(),
            hint="repeat the command later; images that are pinned and already pulled need no registry",
        )

    def _ask(
        self,
        address: str,
        authorization: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        target: "_Target | None" = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one request, a POST if there is a form; redirects are followed without form and query.

        A content that was asked for is written to ``target``.
        """
        from requests.exceptions import RequestException

        headers = {"Accept": ", ".join(_ACCEPTED), "User-Agent": "mpforge"}

        def authorize(prepared: Any) -> Any:  # so that no .netrc is asked
            if authorization:
                prepared.headers["Authorization"] = authorization
            return prepared

        try:
            with self._session.request(
                "GET" if form is None else "POST",
                address,
                params=query,
                data=form,
                headers=headers,
                auth=authorize,
                timeout=_SECONDS,
                stream=True,
                allow_redirects=form is None and query is None,
            ) as answer:
                if not _is_safe(answer.url) and _is_safe(address):
                    raise self._unreachable("it redirects to an address without TLS")
                kept = io.BytesIO()
                wanted = target if target and answer.status_code == _OK else _Target(kept)
                for chunk in answer.iter_content(1 << 16):
                    wanted.file.write(chunk)
                    if wanted.file.tell() > wanted.largest:
                        raise self._unreachable("its answer is too large")
                return answer.status_code, answer.headers, kept.getvalue()
        except RequestException as error:
            raise self._unreachable(_reason(error)) from None

    def _unreachable(self, why: str) -> RegistryUnreachable:
        hint = "check the network; set HTTPS_PROXY behind a proxy, REQUESTS_CA_BUNDLE for other certificates"
        if self._is_local:
            hint = "start it on this machine; mpforge connects to it without TLS"
        return RegistryUnreachable(
            f"the registry {self._at.host} can't be reached for the image {self._name}",
            why=without_credentials(why),
            hint=f"{hint}; images that are pinned and already pulled need no registry",
        )

    # --- credentials ---------------------------------------------------------------------------

    def _authorized(self, header: str) -> str:
        """Return the header that answers a challenge; empty if none can."""
        kind, fields = challenge(header)
        known = {key.lower(): str(value) for key, value in credentials(self._at.host).items()}
        basic = ""
        if known.get("username") and known.get("password"):
            pair = f"{known['username']}:{known['password']}".encode()
            basic = f"Basic {base64.b64encode(pair).decode()}"
        self._knows = bool(basic or known.get("identitytoken"))
        if kind == "basic":
            return basic
        return self._token(fields, basic, known.get("identitytoken")) if kind == "bearer" else ""

    def _token(self, fields: Mapping[str, str], basic: str, identity: str | None) -> str:
        """Return a bearer token (https://distribution.github.io/distribution/spec/auth/token/)."""
        realm = fields.get("realm", "")
        if not _is_safe(realm):
            raise RegistryDenies(
                f"{self._at.host} asks for credentials for {self._name} without TLS",
                why=f"to {urlsplit(realm).hostname}",
                hint="use a registry with HTTPS; mpforge sent no credentials",
            )
        words = {"scope": f"repository:{self._at.repository}:pull"}
        words |= {"service": fields["service"]} if "service" in fields else {}
        if identity:
            words |= {"grant_type": "refresh_token", "client_id": "mpforge"}
            status, _, data = self._ask(realm, "", form={**words, "refresh_token": identity})
        else:
            status, _, data = self._ask(realm, basic, query=words)
        if status != _OK:
            raise self._refusal(status if status != _NOT_FOUND else _FORBIDDEN, data)
        told = _parsed(data)
        token = told.get("token") or told.get("access_token")
        return f"Bearer {token}" if token else ""


def _parsed(data: bytes) -> Mapping[str, Any]:
    """Return a JSON object; empty for anything else."""
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {}


def _is_safe(address: str) -> bool:
    """Return whether an address uses TLS, or is on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.netloc))


def challenge(header: str) -> tuple[str, dict[str, str]]:
    """Parse a WWW-Authenticate header: return ``bearer`` or ``basic``, and its fields."""
    kind, _, rest = header.strip().partition(" ")
    return kind.lower(), dict(re.findall(r'(\w+)="([^"]*)"', rest))


def credentials(host: str) -> Mapping[str, str]:
    """Return a registry's credentials from Docker's configuration or its credential helper; may be empty.

    Raises ``RegistryDenies`` if they can't be read.
    """
    from docker import auth
    from docker.errors import DockerException

    helper = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a missing helper
            configuration = auth.load_config()
            helper = configuration.get_credential_store(host)
            return configuration.resolve_authconfig(host) or {}
    except (DockerException, OSError, ValueError, RuntimeError):
        # Their texts are not passed on: they may contain secrets.
        what = f"docker-credential-{helper}" if helper else "config.json"
        raise RegistryDenies(
            f"Docker's credentials for {host} can't be read",
            why=f"{what} returned no usable credentials",
            hint=f"run `docker login {host}`, or fix Docker's config.json",
        ) from None


# --- error texts of others ------------------------------------------------------------------------


def _said(data: bytes) -> str:
    """Return the text of a registry's error if it has the API's form."""
    try:
        errors = json.loads(data)["errors"]
        words = [str(error.get("message") or error.get("code")) for error in errors]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return "; ".join(words)[:_SUMMARY]


def _reason(error: Exception) -> str:
    """Return the innermost text of an error of ``requests``: the outer ones are objects and addresses."""
    inner = error.args[0] if error.args else error
    text = str(getattr(inner, "reason", None) or inner)
    return text.rpartition(": ")[2][:_SUMMARY] or type(error).__name__
