"""What the CI files pin: actions by commit, and cibuildwheel by version, from ``pins.csv``."""

import csv
import functools
from collections.abc import Mapping
from pathlib import Path

_TABLE = Path(__file__).with_name("pins.csv")


@functools.cache
def pins() -> Mapping[str, str]:
    """Return each pin by its name: ``NAME@COMMIT # vVERSION`` of an action, ``NAME==VERSION`` of a package.

    An action is known by the last part of its name, too: ``checkout``.
    """
    with _TABLE.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["name"].partition("/")[2] or row["name"]: _pinned(**row) for row in rows}


def _pinned(name: str, version: str, commit: str) -> str:
    return f"{name}@{commit} # v{version}" if commit else f"{name}=={version}"
