"""Call uv, and classify its failures.

uv runs outside any project, so that a ``[tool.uv]`` in the built project's files changes nothing,
and with an allow-list of its own variables. This module knows nothing of locks or environments.
"""

import itertools
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mpforge.errors import HostCannot, IndexUnreachable, MpforgeError, ToolUnavailable
from mpforge.obtain.packages.package_index import Index, uv_arguments, without_credentials
from mpforge.processes import Captured, capture

Failure = Literal["unsolved", "hash", "gone", "unreachable", "other"]

_SECONDS = 1800.0
# uv's own variables that are passed on: indexes, connections, the cache. The
# others (UV_CONSTRAINT, UV_PYTHON, UV_TARGET, ...) would change the meaning of the lock.
_PASSED = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX.*|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|"
    r"HTTP_.*|REQUEST_TIMEOUT|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST|OFFLINE|"
    r"CACHE_DIR|NO_CACHE|CONFIG_FILE|NO_CONFIG|NO_SYSTEM_CONFIG|CONCURRENT_.*|LOCK_TIMEOUT)"
)
_STRANGERS = {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP"}
_EXPLAINED_LINES, _LONGEST = 14, 300
_UNREACHABLE = (
    "401 Unauthorized",
    "403 Forbidden",
    "lack of valid authentication",
    "error sending request",
    "Request failed",
    "Failed to fetch",
    "operation timed out",
    "dns error",
    "Network connectivity is disabled",
    "network was disabled",
)


def environment_for(
    variables: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    read_seconds: int = 60,
) -> dict[str, str]:
    """Return uv's whole environment: this process's, less what could change a result, and ``variables``.

    ``read_seconds`` is the time that an index may be silent, unless the user has set it.
    """
    own = os.environ if environment is None else environment
    kept = {
        name: value
        for name, value in own.items()
        if name not in _STRANGERS and (not name.startswith("UV_") or _PASSED.fullmatch(name))
    }
    kept |= {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_NO_WRAP": "1"}
    kept |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_INSTALLER_METADATA": "1"}
    # Report an index that is down within seconds: uv's defaults are 3 retries, 10 s and 30 s.
    for name, value in (("UV_HTTP_RETRIES", "1"), ("UV_HTTP_CONNECT_TIMEOUT", "5")):
        kept.setdefault(name, value)
    if not kept.keys() & {"UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT"}:
        kept.setdefault("UV_HTTP_TIMEOUT", str(read_seconds))
    if not kept.keys() & {"UV_CACHE_DIR", "UV_NO_CACHE"} and not _can_cache(kept):
        kept["UV_NO_CACHE"] = "1"  # it would refuse to start
    kept.update(variables)
    return kept


def _can_cache(variables: Mapping[str, str]) -> bool:
    """Return whether uv's default cache directory can be written, or made."""
    home = variables.get("HOME") or os.path.expanduser("~")
    folder = os.path.join(variables.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "uv")
    while folder and not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.access(folder or os.curdir, os.W_OK)


def uv(
    arguments: Sequence[str],
    *,
    index: Index | None = None,
    extra: Mapping[str, str] | None = None,
    read_seconds: int = 60,
) -> Captured:
    """Run ``uv ARGUMENTS``, configured for ``index`` if given. All paths in ``arguments`` are absolute.

    Raises ``ToolUnavailable`` without uv, ``IndexUnreachable`` if it does not end in time.
    """
    more, variables = uv_arguments(index) if index is not None else ([], {})
    try:
        import uv as uv_package  # only where uv is needed

        program = uv_package.find_uv_bin()
        with tempfile.TemporaryDirectory(prefix="mpforge-uv-") as outside:
            return capture(
                [program, *arguments, *more],
                environment=environment_for(
                    variables | dict(extra or {}), read_seconds=read_seconds
                ),
                cwd=Path(outside),
                timeout=_SECONDS,
            )
    except (ImportError, FileNotFoundError) as error:
        raise ToolUnavailable(
            "uv is not installed",
            why=str(error),
            hint="install it beside mpforge: python -m pip install uv",
        ) from error
    except TimeoutError as error:
        raise IndexUnreachable(
            f"uv did not finish within {_SECONDS / 60:.0f} minutes",
            why=f"uv {' '.join(arguments[:2])}",
            hint="try again; UV_HTTP_TIMEOUT sets how long one request may take",
        ) from error


def failure(captured: Captured) -> Failure:
    """Return the kind of failure in uv's messages."""
    text = captured.stderr
    if "Hash mismatch" in text:
        return "hash"
    if re.search(r"\(4(04|10) ", text) or "failed to query metadata of file" in text:
        return "gone"
    if any(words in text for words in _UNREACHABLE):
        return "unreachable"
    return "unsolved" if "No solution found" in text else "other"


def explanation(captured: Captured) -> str:
    """Return uv's message without its prefixes, credentials and hints about its own options."""
    kept: list[str] = []
    skipping = False
    for line in without_credentials(captured.stderr).splitlines():
        if line.startswith(("error:", "warning:", "hint:")):
            skipping = line.startswith("warning:") or "`--" in line or "No solution found" in line
        elif line.startswith("  cause:"):
            skipping = False
        words = re.sub(r"^(error:|  cause:)", "", line).strip()
        if words and not skipping:
            kept.append(words)
    kept = [_shortened(line) for line in _joined(kept)]
    if len(kept) > _EXPLAINED_LINES:
        kept = [*kept[: _EXPLAINED_LINES - 2], "...", kept[-1]]
    return "\n".join(kept)


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines; a list of versions, one a line, becomes one line with its first and last."""
    for is_list, group in itertools.groupby(lines, key=lambda line: " " not in line):
        *others, last = group
        if is_list:
            yield ", ".join([*others[:1], *(["…"] if others[1:] else []), last])
        else:
            yield from (*others, last)


def _shortened(line: str) -> str:
    """Return a line without the middle of it, if it is very long."""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"


def unreachable(captured: Captured, index: Index) -> MpforgeError:
    """Return the error for an index that did not answer, or denied access."""
    address = re.search(
        r"(?:Failed to fetch: |index(?: URL)? \()([a-z]+://[^\s()]+)", captured.stderr
    )
    named = str(index)
    if address:  # a project's page: the index is above it
        named = re.sub(r"/[^/]+/$", "", without_credentials(address[1]))
    refused = re.search(r"\b40[13] \w+", captured.stderr)
    what = f"refuses access ({refused.group(0)})" if refused else "did not answer"
    remedy = (
        "check the credentials: [index] credentials in the spec names their variables"
        if refused
        else "check the network (a proxy: HTTPS_PROXY), or name an index that can be reached: "
        "[index] url in the spec, UV_DEFAULT_INDEX, or index-url in pip's configuration"
    )
    return IndexUnreachable(
        f"the package index {named or 'that uv is configured with'} {what}",
        why=explanation(captured),
        hint=remedy,
    )


def unexpected(captured: Captured, doing: str) -> HostCannot:
    """Return the error for a failure of uv of no known kind."""
    return ToolUnavailable(
        f"uv could not {doing}", why=explanation(captured) or f"exit status {captured.returncode}"
    )
