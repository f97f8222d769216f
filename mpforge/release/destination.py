"""The index that a release goes to: its addresses, and credentials by the names of their variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mpforge.errors import HostCannot, WrongInput
from mpforge.obtain.packages.index_pages import Account

PYPI_UPLOAD = "https://upload.pypi.org/legacy/"
PYPI_INDEX = "https://pypi.org/simple/"
_UV = ("UV_PUBLISH_TOKEN", "UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTITIES = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "GitHub",
    "PYPI_ID_TOKEN": "GitLab",
    "BUILDKITE_AGENT_ACCESS_TOKEN": "Buildkite",
}
"""Variables by which CI services show that a job has an identity, for trusted publishing."""


@dataclass(frozen=True)
class Destination:
    """Where files are uploaded to (``upload``) and listed (``index``); ``variables`` are for uv.

    ``identity`` names the CI service whose identity uv exchanges for a token, if there are no credentials.
    """

    upload: str
    index: str
    variables: Mapping[str, str]
    identity: str | None = None

    def __repr__(self) -> str:
        return f"Destination({self.upload})"

    @property
    def account(self) -> Account | None:
        """The account that may read the index, if credentials are given."""
        token = self.variables.get("UV_PUBLISH_TOKEN")
        if token:
            return Account("__token__", token)
        name, password = (self.variables.get(variable, "") for variable in _UV[1:])
        return Account(name, password) if name or password else None


def destination(
    *,
    upload: str | None,
    index: str | None,
    username: str | None,
    password: str | None,
    environment: Mapping[str, str] | None = None,
) -> Destination:
    """Return where to upload, with PyPI as default. ``username`` and ``password`` name variables.

    A password without a user name is an API token. Without names, uv's own variables count
    (``UV_PUBLISH_TOKEN`` …), else the identity of a CI job. Raises ``WrongInput``, and ``HostCannot`` for a
    variable that is not set.
    """
    environment = os.environ if environment is None else environment
    for address in (upload, index):
        if address is not None and not re.match(r"https?://[^/@]+(/|$)", address):
            raise WrongInput(
                "the address of an index begins with http:// or https:// and has no credentials",
                hint='name the variables that hold them: [release] credentials = { password = "…" }',
            )
    if upload is not None and index is None:
        raise WrongInput(
            f"mpforge does not know where {upload} lists its files",
            why="the list shows which files were uploaded before an upload was interrupted",
            hint="set check-url in [release], or --check-url URL, to the address for `pip install -i`",
        )
    given = _named(username, password, environment)
    own = {name: environment[name] for name in _UV if environment.get(name)}
    identity = next((who for name, who in _IDENTITIES.items() if environment.get(name)), None)
    variables = given or own
    return Destination(
        upload or PYPI_UPLOAD,
        index or PYPI_INDEX,
        variables,
        None if variables else identity,
    )


def _named(
    username: str | None, password: str | None, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return uv's variables for the named ones. No value is ever shown, nor a name that may be one."""
    found = {}
    for key, name in (("USERNAME", username), ("PASSWORD", password)):
        if name is None:
            continue
        if not _NAME.fullmatch(name):
            raise WrongInput(
                f"the {key.lower()} for the release is not the name of a variable",
                hint="name an environment variable that holds it, such as PYPI_TOKEN; never write the "
                "value itself in the spec or on the command line",
            )
        if not environment.get(name):
            raise HostCannot(
                f"uploading needs the variable {name}, which is not set",
                why=f"it holds the {key.lower()} for the index, as the spec or the command line says",
                hint=f"set {name} in the environment that starts mpforge",
            )
        found[f"UV_PUBLISH_{key}"] = environment[name]
    if "UV_PUBLISH_USERNAME" not in found and "UV_PUBLISH_PASSWORD" in found:
        return {"UV_PUBLISH_TOKEN": found["UV_PUBLISH_PASSWORD"]}
    return found
