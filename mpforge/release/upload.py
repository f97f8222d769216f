"""Upload files by ``uv publish``, one after another, except those that the index already has.

The index's own list decides, so that the same command continues after a broken upload, from any machine.
"""

import hashlib
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

from mpforge.errors import IndexUnreachable, UploadConflict, UploadFailed
from mpforge.obtain.packages.index_pages import Offer, offers, request
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.obtain.packages.uv import uv
from mpforge.processes import Captured
from mpforge.release.destination import Destination
from mpforge.store.files import hash_file

State = Literal["uploaded", "there already", "would upload"]
_SECONDS = 300.0
_STATUS = re.compile(r"status code (\d\d\d)")
_LINES, _LONGEST = 12, 300


_TAKEN = "the index has, or had, a file of this name and accepts no other: release another version"


@dataclass(frozen=True)
class Upload:
    """What became of a file."""

    file: Path
    sha256: str
    size: int
    state: State


def upload(
    files: Sequence[Path],
    destination: Destination,
    project: str,
    *,
    dry: bool,
    tell: Callable[[Upload], None],
) -> list[Upload]:
    """Upload the files that the index does not have; with ``dry`` only say what would be done.

    Raises ``UploadConflict`` before the first upload if the index has another file of a name,
    ``UploadFailed`` for a file that it does not take, ``IndexUnreachable``.
    """
    listed = offers(destination.index, project, destination.account, own=True)
    there = {offer.filename: offer for offer in listed}
    nodes = {file: hash_file(file) for file in files}
    present = {file for file in files if file.name in there}
    other = [
        f.name
        for f in files
        if f in present and _digest(there[f.name], destination) != nodes[f].digest
    ]
    if other:
        raise UploadConflict(
            f"{without_credentials(destination.index)} has other files of these names; nothing was uploaded",
            why="\n".join(other),
            hint="a file on an index is never replaced: release another version; if the files come from "
            "another build of this version, put that build's files and record in dist/",
        )
    done: list[Upload] = []
    for file in files:
        state: State = "there already"
        if file not in present:
            state = "would upload"
            if not dry:
                _publish(file, destination, done)
                state = "uploaded"
        done.append(Upload(file, nodes[file].digest, nodes[file].size, state))
        tell(done[-1])
    return done


def _digest(offer: Offer, destination: Destination) -> str:
    """Return the sha256 of an index's file: as it says, else of the file itself."""
    if offer.sha256:
        return offer.sha256
    sha = hashlib.sha256()
    try:
        with urlopen(request(offer.address, destination.account), timeout=_SECONDS) as answer:  # noqa: S310 - see request
            while part := answer.read(1 << 18):
                sha.update(part)
    except (OSError, ValueError) as error:
        raise IndexUnreachable(
            f"{offer.filename} can't be compared with the file of "
            f"{without_credentials(destination.index)}, which gives no sha256",
            why=without_credentials(str(error)),
            hint="check the network, and whether the account may download",
        ) from None
    return sha.hexdigest()


def _publish(file: Path, destination: Destination, done: Sequence[Upload]) -> None:
    """Upload a file. Raises ``UploadFailed``, ``ToolUnavailable``."""
    trusted = "always" if destination.identity else "never"
    words = ["publish", "--publish-url", destination.upload, "--trusted-publishing", trusted]
    attestation = file.with_name(f"{file.name}.publish.attestation")  # PEP 740
    both = [str(one) for one in (file, attestation) if one.is_file()]
    answer = uv([*words, *both], extra=destination.variables, read_seconds=int(_SECONDS))
    if answer.returncode == 0:
        return
    why = _plain(_without_secrets(answer.stderr, destination))
    sent = [one.file.name for one in done if one.state == "uploaded"]
    so_far = f"; uploaded before it: {', '.join(sent)}" if sent else ""
    raise UploadFailed(
        f"{without_credentials(destination.upload)} {_said(answer)} {file.name}{so_far}",
        why=why or f"uv publish ended with exit status {answer.returncode}",
        hint=_remedy(answer, destination),
    )


def _without_secrets(text: str, destination: Destination) -> str:
    for value in destination.variables.values():
        text = text.replace(value, "***")
    return text


def _plain(text: str) -> str:
    """Return uv's error, with the words of an index's HTML page only."""
    _, _, said = without_credentials(text).partition("error: ")
    for pattern in (r"(?s)<!--.*?-->", r"(?is)<(head|style|script)\b.*?</\1>", r"(?s)<[^>]*>"):
        said = re.sub(pattern, " ", said)
    lines = (" ".join(html.unescape(line).split()) for line in said.splitlines())
    kept = [line.removeprefix("cause: ")[:_LONGEST] for line in lines if line]
    return "\n".join(kept[:_LINES])


def _code(answer: Captured) -> str:
    found = _STATUS.search(answer.stderr)
    return found[1] if found else ""


def _said(answer: Captured) -> str:
    code = _code(answer)
    return f"refused ({code})" if code.startswith("4") else "did not accept"


def _remedy(answer: Captured, destination: Destination) -> str:
    """Return what to do, by the index's answer."""
    again = "run the same command again to upload the remaining files"
    code, text = _code(answer), answer.stderr
    if code == "409" or (code == "400" and "exist" in text.lower()):
        return _TAKEN
    match code:
        case "401" | "403":
            remedy = (
                "check that the token is for this index and project, and may upload; name its variable "
                "in [release] credentials, or set UV_PUBLISH_TOKEN"
            )
            if destination.identity:
                remedy = (
                    "add a trusted publisher for this repository and workflow to the project at the index "
                    f"({destination.identity} identifies the job)"
                )
            return f"{remedy}; {again}"
        case "400":
            return f"fix what the index reports about the file, build again, then {again}"
        case "" if "Missing credentials" in text:
            return (
                "name the variable with the token in [release] credentials or by --token, or set "
                "UV_PUBLISH_TOKEN; a CI job needs an identity (GitHub: permissions: id-token: write)"
            )
        case _:
            return f"check the address and the network; {again}"
