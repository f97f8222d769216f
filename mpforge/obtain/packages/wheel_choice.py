"""The choice among an index's wheels for a Python and a platform, and the wheel's size.

Maps between uv's names, wheel tags and our platforms. This module knows nothing of
environments, and no address leaves it.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from mpforge.artifacts.wheels import installable_tags
from mpforge.errors import Unresolvable
from mpforge.plan.pins import EnvironmentRequest
from mpforge.platforms import Platform, legacy_name, policy_version, python_words, well_known

_HEAD_SECONDS = 4.0


@dataclass(frozen=True)
class IndexFile:
    """A wheel or an sdist that the index offers."""

    filename: str
    address: str = field(repr=False)
    sha256: str
    size: int | None


def index_file(table: Mapping[str, Any]) -> IndexFile:
    """Return the file of a table of a PEP 751 file; its sha256 is empty if the index has none."""
    address = str(table.get("url") or Path(str(table["path"])).absolute().as_uri())
    filename = str(table.get("name") or unquote(urlsplit(address).path).rsplit("/", 1)[-1])
    digest = str(table.get("hashes", {}).get("sha256", ""))
    return IndexFile(filename, address, digest, table.get("size"))


def python_version(word: str) -> str:
    """Return a Python's version: ``cp311`` → ``3.11``, ``cp313t`` → ``3.13``."""
    return python_words.parse(word).version


def policy_of(filename: str, platform: Platform) -> str:
    """Return the newest policy in a wheel name, or the platform's ``base_policy`` if that is newer."""
    tags: list[str] = re.findall(r"(?:many|musl)linux_\d+_\d+", filename)
    return max([platform.base_policy, *tags], key=policy_version)


def for_words(request: EnvironmentRequest) -> str:
    """Return a request's platform and Python, for messages."""
    return f"{request.platform}, {request.python}"


def best_wheel(entry: Mapping[str, Any], request: EnvironmentRequest) -> IndexFile:
    """Return the wheel that an installer would choose from a package's table in a PEP 751 file.

    Raises ``Unresolvable`` if no wheel fits, or none has a sha256.
    """
    from packaging.utils import parse_wheel_filename  # not on the cached path

    ranks = tag_ranks(request)
    fitting: list[tuple[int, IndexFile]] = []
    for table in entry.get("wheels", []):
        wheel = index_file(table)
        fits = [ranks[tag] for tag in parse_wheel_filename(wheel.filename)[3] if tag in ranks]
        if wheel.sha256 and fits:
            fitting.append((min(fits), wheel))
    if not fitting:
        raise Unresolvable(
            f"{entry['name']} {entry.get('version', '')} can't be pinned for {for_words(request)}",
            why="the index has no wheel with a sha256 for it",
        )
    return min(fitting, key=lambda pair: pair[0])[1]


def size_of(wheel: IndexFile) -> int | None:
    """Return the file's size in bytes: from the index, else by a HEAD request; ``None`` if unknown."""
    if wheel.size is not None:
        return wheel.size
    parts = urlsplit(wheel.address)
    with contextlib.suppress(OSError, ValueError, TypeError):
        if parts.scheme == "file":
            return Path(url2pathname(parts.path)).stat().st_size
        if parts.scheme in {"http", "https"}:
            head = Request(wheel.address, method="HEAD")  # noqa: S310 - http or https, see above
            with urlopen(head, timeout=_HEAD_SECONDS) as answer:  # noqa: S310
                return int(answer.headers["Content-Length"])
    return None


def tag_ranks(request: EnvironmentRequest) -> Mapping[Any, int]:
    """Return the rank of each compatible wheel tag; 0 is the best (PEP 425, PEP 600)."""
    target = well_known()[request.target]
    major, newest = policy_version(request.policy)
    prefix = f"{request.policy.partition('_')[0]}_{major}"
    platforms = []
    for minor in range(newest, policy_version(target.oldest_policy)[1] - 1, -1):
        names = (f"{prefix}_{minor}", legacy_name(f"{prefix}_{minor}"))
        platforms += [f"{name}_{target.machine}" for name in names if name]
    platforms.append(f"linux_{target.machine}")
    ranks: dict[Any, int] = {}
    for rank, tag in enumerate(installable_tags(request.python, platforms)):
        ranks.setdefault(tag, rank)
    return ranks
