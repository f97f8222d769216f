"""Query a registry for one platform's manifest of an image's name, without a runtime.

The API is the OCI distribution specification's, the documents are OCI's and Docker's. Credentials are those
of Docker's own configuration, and no message contains them. Pulls nothing.
"""

import base64
import hashlib
import ipaddress
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mpforge.errors import (
    HashMismatch,
    ImageNameWrong,
    ImageUnfit,
    ImageUnknown,
    RegistryDenies,
    RegistryUnreachable,
)
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.plan.pins import ImageRequest
from mpforge.platforms import glibc_platforms, image_name, well_known
from mpforge.platforms.image_name import DIGEST, HUB, Parts

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


# --- names ----------------------------------------------------------------------------------------


def parse(name: str) -> Parts:
    """Parse an image's name. Raises ``ImageNameWrong``."""
    found = image_name.parts(name)
    if found is None:
        raise ImageNameWrong(
            f"{name!r} is not a valid image name", hint=f"use {image_name.EXPECTED}"
        )
    return found


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


# --- documents ------------------------------------------------------------------------------------


def normal(platform: str) -> str:
    """Return ``OS/ARCHITECTURE[/VARIANT]`` as in the table: without the default variant."""
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    for known in glibc_platforms():
        meant = variant in ("", known.docker_variant)
        if meant and architecture in (known.machine, known.docker_architecture):
            return "/".join([system, *(known.docker_platform or "").split("/")[1:]])
    return "/".join(word for word in (system, architecture, variant) if word)


def platform_of(told: Mapping[str, Any]) -> str:
    """Return the platform in an index's entry, an image's configuration or a runtime's description of it."""
    words = (told.get(name) for name in ("os", "architecture", "variant"))
    return "/".join(str(word) for word in words if word)


def manifests(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each platform's manifest in an index, by the platform's normal name.

    Entries that are no images (attestations have ``unknown``) are left out; of two for one platform the
    first counts, as for runtimes.
    """
    found: dict[str, str] = {}
    for entry in index["manifests"]:
        platform = normal(platform_of(entry.get("platform") or {}))
        if platform and "unknown" not in platform and DIGEST.fullmatch(str(entry["digest"])):
            found.setdefault(platform, entry["digest"])
    return found


# --- queries --------------------------------------------------------------------------------------


def digest_of(request: ImageRequest) -> str:
    """Return the digest of the current manifest of a name for a platform.

    Raises ``ImageNameWrong``, ``ImageUnknown``, ``ImageUnfit``, ``RegistryUnreachable``, ``RegistryDenies``,
    ``HashMismatch``.
    """
    reference = parse(request.name)
    wanted = well_known()[request.platform].docker_platform or ""
    talk = _Talk(reference, request.name)
    digest, manifest = talk.document("manifests", reference.digest or reference.tag)
    try:
        if "config" in manifest:  # of a single image
            _, configuration = talk.document("blobs", manifest["config"]["digest"])
            has = {normal(platform_of(configuration)): digest}
        else:
            has = manifests(manifest)
    except (AttributeError, KeyError, TypeError):
        raise ImageUnfit(
            f"{request.name} at {reference.host} is not an image that mpforge can read",
            hint="push it again with Docker 1.10 or newer, or name another image in [build] image",
        ) from None
    found = has.get(normal(wanted))
    if found is None:
        raise ImageUnfit(
            f"{reference.host} has no {request.name} for {request.platform}, which needs {wanted}",
            why=f"it has {', '.join(has) or 'no platform'}",
            hint="name an image of that platform in [build] image, or in the target's own table",
        )
    return found


class _Talk:
    """A session with a registry about one repository; ``name`` is the image's in messages."""

    def __init__(self, reference: Parts, name: str) -> None:
        import requests

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
        data, told = self._get(f"{kind}/{word}")
        expected = word if DIGEST.fullmatch(word) else told or ""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if expected.startswith("sha256:") and expected != digest:
            raise HashMismatch(
                f"{self._at.host} sent data for {self._name} that does not match its digest",
                why=f"expected {expected}\n     got {digest}",
                hint="repeat the command; if it fails again, check the registry and any proxy in between",
            )
        return digest, _parsed(data)

    # --- requests ------------------------------------------------------------------------------

    def _get(self, path: str) -> tuple[bytes, str | None]:
        """Return the content of a path, and its digest as the registry reports it."""
        scheme = "http" if self._is_local else "https"
        address = f"{scheme}://{self._address}/v2/{self._at.repository}/{path}"
        status, headers, data = self._ask(address, self._authorization)
        if status == _UNAUTHORIZED and not self._authorization:
            self._authorization = self._authorized(headers.get("WWW-Authenticate", ""))
            if self._authorization:
                status, headers, data = self._ask(address, self._authorization)
        if status == _OK:
            return data, headers.get("Docker-Content-Digest")
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
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one request, a POST if there is a form; redirects are followed without form and query."""
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
                data = b""
                for chunk in answer.iter_content(1 << 16):
                    data += chunk
                    if len(data) > _LARGEST:
                        raise self._unreachable("its answer is too large")
                return answer.status_code, answer.headers, data
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
