"""Translate pydantic's errors for users, and remove the offending parts from a document.

The pruned document lets the semantic checks run although the shape is wrong somewhere, so that all
problems show at once. Knows the shape of the vocabulary, not the meaning of any value.
"""

import copy
import json
import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mpforge.errors import UPDATE
from mpforge.formats.toml import Path
from mpforge.spec.finding import Finding, as_written, dotted, finding_at, overlap
from mpforge.spec.model import Spec
from mpforge.spec.suggest import NOTES, nearest_key, nearest_value

# What was expected, by pydantic's kinds of errors; those of ``values`` have their own texts.
_EXPECTED: Mapping[str, str] = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_too_short": "a string that is not empty",
}

# Substitutes for required values that are missing or wrong, while the rest is checked.
_STAND_IN: Mapping[str, object] = {"schema": 1, "select": "*", "kind": "gcc"}

_WHY_NEEDED: Mapping[str | int, str] = {
    "schema": ": write `schema = 1`, the version of the format",
    "select": ': globs over TARGET-PYTHON, e.g. "*-cp313t"',
    "kind": ': one of "zig", "gcc", "container"',
}

# Values in place of our tables: other tools have options of these names.
_TABLE_OF_OTHERS: Mapping[Path, str] = {
    ("build",): "project.python",
    ("test",): "test.command",
    ("targets",): "project.targets",
    ("index",): "index.url",
}


# The tables that define the names that globs match.
_WORDS: tuple[Path, ...] = (("project",), ("targets",))


def finding_of(document: Mapping[str, object], error: ErrorDetails) -> Finding:
    """Return one of pydantic's errors about ``document`` as a finding."""
    path = as_written(document, error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        why = _WHY_NEEDED.get(path[-1], "")
        return Finding("missing-key", path, f"`{dotted(path)}` is needed{why}")
    value = error["input"]
    if path == ("schema",) and type(value) is int and value > 1:
        what = f"`schema = {value}` needs a newer mpforge (this one supports 1): {UPDATE}"
        return Finding("bad-value", path, what)
    if kind == "literal_error":
        return _not_one_of(path, value, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    code = "wrong-type" if kind.endswith("type") else "bad-value"
    expected = _EXPECTED.get(kind, error["msg"])
    near = _TABLE_OF_OTHERS.get(path) if kind.startswith(("model", "mapping", "dict")) else None
    if kind == "tuple_type" and isinstance(value, str):
        near = f"[{json.dumps(value, ensure_ascii=False)}]"
    return finding_at(code, path, f"expected {expected}, got {_shown(value)}", near)


def prune(document: Mapping[str, object], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a copy of ``document`` without the parts that ``findings`` (of ``finding_of``) are about."""
    pruned: dict[str, Any] = copy.deepcopy(dict(document))
    for finding in findings:
        parent: Any = pruned
        for part in finding.path[:-1]:
            parent = parent[part]
        last = finding.path[-1]
        if isinstance(last, int):
            parent[last] = {"select": "*"} if finding.path[:-1] == ("overrides",) else "x"
        elif last in _STAND_IN and finding.code != "unknown-key" and _is_required(finding.path):
            parent[last] = _STAND_IN[str(last)]
        else:
            parent.pop(last, None)
    return pruned


def follows(finding: Finding, shape: Sequence[Finding]) -> bool:
    """Return whether a semantic ``finding`` may be a mere consequence of the pruning for ``shape``."""
    return any(_follows(finding, wrong) for wrong in shape)


def _follows(finding: Finding, wrong: Finding) -> bool:
    path, pruned = finding.path, wrong.path
    if path[: len(pruned)] == pruned:
        return True
    if wrong.code == "unknown-key":
        meant = tuple(wrong.nearest.split(".")) if wrong.nearest else pruned
        if path == meant[:-1]:
            return True
        if finding.code == "missing-key" and (overlap(path, meant) or len(pruned) == 1):
            return True
    elif path == pruned[:-1]:
        return True
    if finding.code == "nothing-matches":
        return any(overlap(pruned, words) for words in _WORDS)
    return pruned[-1] == "kind" and (path[:-1] == pruned[:-1] or path[-1] == "python")


def table_at(path: Path) -> type[BaseModel] | None:
    """Return the model of the table at ``path``, ``None`` if names or values are free."""
    annotation: object = Spec
    for part in path:
        annotation = _inside(annotation, part)
    return _model(annotation)


def _unknown_key(path: Path) -> Finding:
    *around, key = path
    table = table_at(tuple(around))
    siblings = [] if table is None else keys_of(table)
    kind = next((str(p) for p in reversed(around) if p in {"build", "test"}), dotted(path[:1]))
    sections = {
        name: keys_of(model)
        for name in ("project", "build", "test", "sdist", "index")
        if (model := table_at((name,))) is not None
    }
    where = f"[{dotted(tuple(around))}]" if around else "the file's top level"
    message = f"`{dotted(path)}`: {where} has no key `{key}`"
    note = NOTES.get(str(key).lower().replace("_", "-"))
    if note is not None:
        return Finding("unknown-key", path, f"{message}; {note}")
    near = nearest_key(str(key), kind=kind if around else "", siblings=siblings, sections=sections)
    if near is None:
        return Finding("unknown-key", path, f"{message}; it has: {', '.join(sorted(siblings))}")
    beside, name = near
    return Finding("unknown-key", path, message, dotted((*around, name)) if beside else name)


def _not_one_of(path: Path, value: object, valid: list[str]) -> Finding:
    if not valid:
        return finding_at("bad-value", path, f"expected 1, got {_shown(value)}")
    code = "bad-value" if isinstance(value, str) else "wrong-type"
    near = nearest_value(value, valid) if isinstance(value, str) else None
    expected = "one of " + ", ".join(f'"{word}"' for word in valid)
    return finding_at(code, path, f"expected {expected}, got {_shown(value)}", near)


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written."""
    return [str(key) for key in _fields(model)]


def _fields(model: type[BaseModel]) -> dict[str | int, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_required(path: Path) -> bool:
    table = table_at(path[:-1])
    field = None if table is None else _fields(table).get(path[-1])
    return field is not None and field.is_required()


def _inside(annotation: object, part: str | int) -> object:
    model = _model(annotation)
    if model is not None:
        field = _fields(model).get(part)
        return None if field is None else field.annotation
    arguments = get_args(annotation)
    if isinstance(part, int):
        return arguments[0] if arguments else None
    return arguments[1] if len(arguments) > 1 else None


def _model(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation allows, perhaps besides ``None``."""
    union = get_origin(annotation) in {Union, types.UnionType}
    members = get_args(annotation) if union else (annotation,)
    models = (kind for kind in members if isinstance(kind, type) and issubclass(kind, BaseModel))
    return next(models, None)


def _shown(value: object) -> str:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= 60 else f'{text[:56]}…"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list | tuple) else f"{value}"
