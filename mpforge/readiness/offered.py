"""Judge what an index offers of a package for a target: a wheel, since when, or only an sdist."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mpforge.obtain.packages.index_pages import Offer

State = Literal["pure", "wheel", "sdist", "nothing"]
"""``pure``: one wheel for all targets. ``sdist``: it would have to be built. ``nothing``: not even that."""
_POLICY = re.compile(r"(manylinux|musllinux)_(\d+_\d+)_(\w+)")


@dataclass(frozen=True)
class Answer:
    """What there is of one version for a target and a Python.

    ``since`` is the first version from which on all releases up to this one have a fitting wheel;
    ``last`` is the newest older version that has one, if this one has none. ``newer`` is the oldest newer
    policy for which this version has a wheel, if it has none for the target's. ``compiled`` is False if the
    package is known to need no compiler. ``why`` is the reason if there is no version at all.
    """

    state: State
    since: str = ""
    last: str = ""
    newer: str = ""
    compiled: bool = True
    sdist: Offer | None = None
    why: str = ""

    @property
    def blocks(self) -> bool:
        """True if an installer would have to compile it, or finds nothing."""
        return self.state == "nothing" or (self.state == "sdist" and self.compiled)

    @property
    def past(self) -> str:
        """What wheels there are instead, as a text that follows “no wheel”."""
        if self.newer:
            return f" except for {self.newer}"
        return f" since {self.last}, the last version with one" if self.last else " of any version"


@dataclass(frozen=True)
class _Wheel:
    version: Any
    tags: frozenset[Any]
    any_platform: bool


def judge(offers: Iterable[Offer], version: str, ranks: Mapping[Any, int]) -> Answer:
    """Return what the files of a package offer of a version to an installer that takes these tags."""
    from packaging.version import Version

    wanted = Version(version)
    wheels, sdists = _sorted_out(offers, wanted)
    fitting = {wheel.version for wheel in wheels if wheel.tags & ranks.keys()}
    of_it = [wheel for wheel in wheels if wheel.version == wanted]
    releases = sorted(
        {v for v in {*sdists, *(w.version for w in wheels)} if not v.is_prerelease} | {wanted}
    )
    older = [release for release in releases if release < wanted]
    if wanted in fitting:
        pure = any(wheel.any_platform for wheel in of_it if wheel.tags & ranks.keys())
        since = wanted
        for release in reversed(older):
            if release not in fitting:
                break
            since = release
        return Answer("pure" if pure else "wheel", str(since), compiled=not pure)
    last = next((str(release) for release in reversed(older) if release in fitting), "")
    sdist = sdists.get(wanted)
    newer = _newer_policy(of_it, ranks)
    return Answer("sdist" if sdist is not None else "nothing", last=last, newer=newer, sdist=sdist)


def _newer_policy(wheels: Iterable[_Wheel], ranks: Mapping[Any, int]) -> str:
    """Return the oldest policy of wheels that fit in everything else than the platform's version."""
    kinds = {(match[1], match[3]) for tag in ranks if (match := _POLICY.fullmatch(tag.platform))}
    pythons = {(tag.interpreter, tag.abi) for tag in ranks}
    found = [
        (tuple(map(int, match[2].split("_"))), f"{match[1]}_{match[2]}")
        for wheel in wheels
        for tag in wheel.tags
        if (tag.interpreter, tag.abi) in pythons
        and (match := _POLICY.fullmatch(tag.platform))
        and (match[1], match[3]) in kinds
    ]
    return min(found)[1] if found else ""


def _sorted_out(offers: Iterable[Offer], wanted: Any) -> tuple[list[_Wheel], dict[Any, Offer]]:
    """Return the wheels and the sdists, these by version.

    Other files are left out, and those that were yanked, unless they are of the version that is wanted.
    """
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion

    wheels: list[_Wheel] = []
    sdists: dict[Any, Offer] = {}
    for offer in offers:
        try:
            if offer.filename.endswith(".whl"):
                _, version, _, tags = parse_wheel_filename(offer.filename)
                everywhere = all(tag.platform == "any" for tag in tags)
                if version == wanted or not offer.yanked:
                    wheels.append(_Wheel(version, frozenset(tags), everywhere))
            elif offer.filename.endswith((".tar.gz", ".zip")):
                _, version = parse_sdist_filename(offer.filename)
                if version == wanted or not offer.yanked:
                    sdists[version] = offer
        except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
            continue
    return wheels, sdists
