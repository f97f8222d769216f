"""The package index that uv asks, as arguments and variables for uv.

A spec's ``[index]`` wins. Without one, uv's configuration (``UV_*``, ``uv.toml``) applies; if uv
is not configured but pip is, pip's settings are passed on with pip's behaviour. Everything goes
through uv's environment, so no credentials show in an argv. This module starts nothing and knows
nothing of packages.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mpforge.errors import HostCannot, TomlInvalid
from mpforge.formats.toml import read_toml

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_UV_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
)
_UV_KEYS = {"index", "index-url", "extra-index-url", "find-links", "no-index"}


@dataclass(frozen=True)
class Index:
    """The spec's ``[index]``: addresses, and the names of the variables that hold credentials.

    The credentials are for ``url``; without one, for ``extra``.
    """

    url: str | None = None
    extra: tuple[str, ...] = ()
    username_env: str | None = None
    password_env: str | None = None

    def __str__(self) -> str:
        """Return the addresses without credentials, as messages name the index."""
        urls = [self.url, *self.extra] if self.url else list(self.extra)
        return " ".join(without_credentials(url) for url in urls)


def without_credentials(text: str) -> str:
    """Return ``text`` without the user and password of every address in it."""
    return _USERINFO.sub("", text)


def uv_arguments(
    index: Index,
    *,
    environment: Mapping[str, str] | None = None,
    pip_files: Sequence[Path] | None = None,
    uv_files: Sequence[Path] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Return arguments and extra environment for a uv command that asks an index.

    Credentials are in the environment only. The last three parameters are this host's own by
    default. Raises ``HostCannot`` for a variable of ``credentials`` that is not set.
    """
    environment = os.environ if environment is None else environment
    if index.url:
        return [], _given_url(index.url, index, environment)
    arguments: list[str] = []
    variables: dict[str, str] = {}
    if not _uv_is_configured(environment, uv_files):
        arguments, variables = _from_pip(_pip_settings(environment, pip_files), environment)
    if index.extra:
        # Replaces pip's extra ones, and is asked first (uv's own strategy): a name that one of
        # them has is never taken from the default index, also when it refuses the credentials.
        for name in ("UV_FIND_LINKS", "UV_INDEX_STRATEGY"):
            variables.pop(name, None)
        variables["UV_INDEX"] = _named(index.extra)
        for number in range(len(index.extra)):
            variables |= _credentials(f"MPFORGE_EXTRA{number}", index, environment)
    return arguments, variables


def _given_url(url: str, index: Index, environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's variables for an index of the spec alone; uv treats an empty variable as unset."""
    unset = dict.fromkeys(_UV_VARIABLES, "")
    named = {"UV_DEFAULT_INDEX": f"mpforge={url}", "UV_INDEX": _named(index.extra)}
    return unset | named | _credentials("MPFORGE", index, environment)


def _named(extra: Sequence[str]) -> str:
    return " ".join(f"mpforge-extra{number}={url}" for number, url in enumerate(extra))


def _credentials(name_of: str, index: Index, environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's variables for the credentials of the index with that name."""
    found = {}
    for key, name in (("USERNAME", index.username_env), ("PASSWORD", index.password_env)):
        if name is None:
            continue
        if name not in environment:
            raise HostCannot(
                f"the package index needs the variable {name}, which is not set",
                why=f"[index] credentials.{key.lower()} of the spec names it",
                hint=f"set {name} in the environment that starts mpforge",
            )
        found[f"UV_INDEX_{name_of}_{key}"] = environment[name]
    return found


def _uv_is_configured(environment: Mapping[str, str], files: Sequence[Path] | None) -> bool:
    """Return whether uv itself has a configured index; uv reports an unreadable ``uv.toml`` itself."""
    if any(environment.get(name) for name in _UV_VARIABLES):
        return True
    for file in _uv_files(environment) if files is None else files:
        try:
            table = read_toml(file.read_bytes(), str(file))
        except OSError:
            continue
        except TomlInvalid:
            return True
        pip = table.get("pip")
        if _UV_KEYS & (set(table) | set(pip if isinstance(pip, dict) else ())):
            return True
    return False


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or os.path.expanduser("~"))


def _config_home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CONFIG_HOME") or _home(environment) / ".config")


def _config_directories(environment: Mapping[str, str]) -> list[Path]:
    words = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    return [Path(word) for word in words if word]


def _uv_files(environment: Mapping[str, str]) -> list[Path]:
    """Return uv's configuration files outside a project (docs.astral.sh/uv, "Configuration files")."""
    if environment.get("UV_NO_CONFIG"):
        return []
    if environment.get("UV_CONFIG_FILE"):
        return [Path(environment["UV_CONFIG_FILE"])]
    homes = [_config_home(environment), *_config_directories(environment), Path("/etc")]
    return [home / "uv" / "uv.toml" for home in homes]


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, weakest first (pip's documentation, "Configuration")."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    files = [directory / "pip" / "pip.conf" for directory in _config_directories(environment)]
    files += [
        Path("/etc/pip.conf"),
        _home(environment) / ".pip" / "pip.conf",
        _config_home(environment) / "pip" / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    return [*files, Path(named)] if named else files


def _pip_settings(
    environment: Mapping[str, str], files: Sequence[Path] | None
) -> Mapping[str, str]:
    """Return pip's settings for ``pip install``: ``PIP_*`` over ``[install]`` over ``[global]``."""
    import configparser

    general: dict[str, str] = {}
    install: dict[str, str] = {}
    for file in _pip_files(environment) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text(encoding="utf-8"), str(file))
        except (OSError, ValueError, configparser.Error):
            continue
        for section, settings in (("global", general), ("install", install)):
            if parser.has_section(section):
                items = parser.items(section)
                settings |= {key.replace("_", "-"): value for key, value in items}
    settings = general | install
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _is_there(address: str) -> bool:
    """Return whether an address exists: pip ignores a missing local directory, uv refuses it."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        from urllib.request import url2pathname  # imports ssl, http and email

        return Path(url2pathname(parts.path)).exists()
    return bool(parts.scheme) or os.path.exists(os.path.expanduser(address))


def _from_pip(
    settings: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    variables: dict[str, str] = {}
    if settings.get("index-url"):
        variables["UV_DEFAULT_INDEX"] = settings["index-url"].strip()
    extra = [url for url in settings.get("extra-index-url", "").split() if _is_there(url)]
    if extra:
        variables["UV_INDEX"] = " ".join(extra)
    links = [link for link in settings.get("find-links", "").split() if _is_there(link)]
    if links:
        variables["UV_FIND_LINKS"] = ",".join(links)
    if (extra or links) and "UV_INDEX_STRATEGY" not in environment:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if settings.get("cert") and not environment.get("SSL_CERT_FILE"):
        variables["SSL_CERT_FILE"] = settings["cert"]
    no_index = settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}
    return (["--no-index"] if no_index else []), variables
