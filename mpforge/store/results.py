"""Results of actions on disk: one JSON file for each key, with a digest of itself.

A field that this version does not know is ignored, so that a newer mpforge may add one. Knows nothing of
the files that a result names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mpforge.errors import written_by_newer

SCHEMA = 1


@dataclass(frozen=True)
class ActionResult:
    """The result of a successful step: output tree, the log's digest, facts, observations, cost.

    ``facts`` are small texts by name (the machine that answered, requirements a hook asked for). ``observed``
    are inputs that its key does not have, by name: the result is valid while they are all unchanged.
    ``inputs`` are the keys of the results that its key was computed from.
    """

    key: str
    tree: str
    log: str
    facts: Mapping[str, str] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    finished: str = ""
    observed: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()


class NewerResult(ValueError):
    """A result that a newer mpforge wrote; this version can't read it."""


def to_bytes(result: ActionResult) -> bytes:
    """Return the content of a result's file."""
    body = asdict(result)
    record = {"schema": SCHEMA, "sha256": _digest(body), "result": body}
    return json.dumps(record, indent=1).encode()


def from_bytes(data: bytes, key: str) -> ActionResult:
    """Return the result that ``to_bytes`` wrote for a key.

    Raises ``NewerResult`` for data of a newer schema, ``ValueError`` for any other data.
    """
    try:
        record = json.loads(data)
        if type(record["schema"]) is int and record["schema"] > SCHEMA:
            raise NewerResult(
                written_by_newer(f"the result of {key[:12]}", record["schema"], SCHEMA)
            )
        body = record["result"]
        if record["schema"] != SCHEMA or record["sha256"] != _digest(body) or body["key"] != key:
            raise ValueError(f"not the result of {key}")
        known = {item.name for item in fields(ActionResult)}
        given = {name: value for name, value in body.items() if name in known}
        return ActionResult(**{**given, "inputs": tuple(given.get("inputs", ()))})
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a result: {error}") from None


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
