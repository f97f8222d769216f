"""Compute a step's key: one walk over named ingredients, two readers (a digest, an explanation).

An ingredient has a dotted name and a text value; absent things are ingredients too. Neither absolute paths
nor times nor the number of jobs may become one. Knows nothing of how a value was obtained.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = "1"
"""Raised whenever the meaning of an ingredient changes: it invalidates every older key."""

SHORT = 12
"""Number of hex digits of a key that people are shown."""


@dataclass(frozen=True)
class Ingredient:
    """One named part of a key. ``tree`` says that ``value`` is the digest of a file tree."""

    name: str
    value: str
    tree: bool = False


@dataclass(frozen=True)
class Difference:
    """One ingredient whose value changed; None: absent, before or after."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            value = self.after or ""
            return f"{self.name} appeared ({value[:SHORT] if _is_digest(value) else value})"
        if self.after is None:
            return f"{self.name} is gone"
        if _is_digest(self.before) and _is_digest(self.after):
            return f"{self.name} changed"
        return f"{self.name}: {self.before} → {self.after}"


def _is_digest(value: str) -> bool:
    word = value.split(" ", maxsplit=1)[0].removeprefix("sha256:")
    return len(word) == 64 and all(c in "0123456789abcdef" for c in word)


def digest(ingredients: Iterable[Ingredient]) -> str:
    """Return the key: sha256, as hex, of the ingredients in canonical bytes, whatever their order.

    Raises ``ValueError`` for two ingredients of one name.
    """
    pairs = sorted((i.name, i.value) for i in ingredients)
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"an ingredient was named twice: {names}")
    data = json.dumps([SCHEMA, pairs], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(data.encode("ascii")).hexdigest()


def short(key: str) -> str:
    """Return a key as shown to people: 12 hex digits."""
    return key[:SHORT]


def to_json(ingredients: Iterable[Ingredient], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of a key for a later explanation; ``files`` are its trees' files by name."""
    return {
        "schema": 1,
        "ingredients": {i.name: i.value for i in ingredients},
        "trees": sorted(i.name for i in ingredients if i.tree),
        "files": dict(files),
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the differences between two records of ``to_json``, trees file by file."""
    trees = {*before.get("trees", ()), *after.get("trees", ())}
    values = _unequal(before["ingredients"], after["ingredients"])
    found = [difference for difference in values if difference.name not in trees]
    return (*found, *_unequal(before["files"], after["files"]))


def _unequal(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[Difference]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))
