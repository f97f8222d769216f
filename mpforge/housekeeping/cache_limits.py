"""Parse the cache's limits of size and age. Knows nothing of its contents."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from mpforge.errors import WrongInput
from mpforge.housekeeping.collection import Limits

T = TypeVar("T")

SIZE_VARIABLE, AGE_VARIABLE = "MPFORGE_CACHE_SIZE", "MPFORGE_CACHE_AGE"
DEFAULT_SIZE, DEFAULT_AGE = 20 * 10**9, 30 * 24 * 3600.0

_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})", re.ASCII)
_AGE = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def limits_of(
    environment: Mapping[str, str], *, size: str | None = None, age: str | None = None
) -> Limits:
    """Return the limits of the cache: those given, else the environment's, else 20 GB and 30 days.

    Raises ``WrongInput``, which names the variable or the option.
    """
    most = _read(parse_size, (size, "--size"), (environment.get(SIZE_VARIABLE), SIZE_VARIABLE))
    oldest = _read(parse_age, (age, "--age"), (environment.get(AGE_VARIABLE), AGE_VARIABLE))
    return Limits(DEFAULT_SIZE if most is None else most, DEFAULT_AGE if oldest is None else oldest)


def _read(parse: Callable[[str], T], *words: tuple[str | None, str]) -> T | None:
    """Parse the first (text, source) whose text was given; None if none was."""
    for text, place in words:
        if text is not None and (text or place.startswith("-")):
            try:
                return parse(text)
            except ValueError as error:
                raise WrongInput(f"{place}: {text!r} can't be parsed", hint=str(error)) from None
    return None


def parse_size(text: str) -> int:
    """Parse ``"1.5GB"``, ``"500 MiB"`` or ``"0"`` to bytes. Raises ``ValueError`` with the expected form."""
    match = _SIZE.fullmatch(text.strip())
    if match is None and text.strip() != "0":
        raise ValueError("give a number with a unit, such as 500MB, 20GB or 1.5TiB, or 0")
    return int(Decimal(match[1]) * _UNITS[match[2]]) if match is not None else 0


def parse_age(text: str) -> float:
    """Parse ``"30d"``, ``"1d12h"`` or ``"0"`` to seconds. Raises ``ValueError`` with the expected form."""
    match = _AGE.fullmatch(text.strip())
    if match is None and text.strip() != "0":
        raise ValueError(
            "give days, hours, minutes or seconds, such as 30d, 12h, 1d12h or 90m, or 0"
        )
    numbers = [int(word or 0) for word in match.groups()] if match is not None else [0] * 4
    days, hours, minutes, seconds = numbers
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
