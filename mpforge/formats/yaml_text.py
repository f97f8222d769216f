"""Read YAML as CI services read their files, with the line of every value.

PyYAML parses; values are typed by YAML 1.2's core schema, in which `on` and `yes` are texts.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mpforge.errors import Place, YamlInvalid
from mpforge.formats.toml import Path

if TYPE_CHECKING:
    from yaml import MarkedYAMLError, Node

MAX_CHARACTERS = 1_000_000
_MAX_VALUES = 100_000
_MAX_DEPTH = 60
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


@dataclass
class Yaml:
    """A document: its value, and the line (from 1) of each value by the keys that lead to it."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the closest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, file: str) -> Yaml:
    """Parse one document. Raises ``YamlInvalid`` with its place."""
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise YamlInvalid(f"it has more than {MAX_CHARACTERS:,} characters", place=Place(file))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, file) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlInvalid(str(error).splitlines()[0], place=Place(file)) from None
    walk = _Walk(file)
    value = None if node is None else walk.value(node, ())
    return Yaml(value, walk.lines)


def _not_yaml(error: "MarkedYAMLError", file: str) -> YamlInvalid:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    return YamlInvalid(error.problem or "it is not valid YAML", place=place)


class _Walk:
    def __init__(self, file: str) -> None:
        self.lines: dict[Path, int] = {}
        self._file = file
        self._values = 0

    def value(self, node: "Node", path: Path) -> Any:
        self._values += 1
        line = node.start_mark.line + 1
        if self._values > _MAX_VALUES or len(path) > _MAX_DEPTH:
            what = "it has too many aliases, or is nested too deeply"
            raise YamlInvalid(what, place=Place(self._file, line))
        self.lines.setdefault(path, line)
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: "Node", path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                place = Place(self._file, key_node.start_mark.line + 1)
                raise YamlInvalid("a key is not a string", place=place)
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                found = self.value(value_node, path)
                for table in reversed(found if isinstance(found, list) else [found]):
                    merged |= table if isinstance(table, dict) else {}
            else:
                self.lines[*path, key] = key_node.start_mark.line + 1
                own[key] = self.value(value_node, (*path, key))
        return {**merged, **own}


def _scalar(node: "Node") -> Hashable:
    text = str(node.value)
    if node.style is not None or node.tag.startswith("!"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", text):
        return float(text)
    return text
