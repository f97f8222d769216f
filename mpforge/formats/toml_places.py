"""Find the places of keys and list elements in a TOML text.

Parses with tree-sitter, because TOML readers keep no positions; so import this module only when
a place must be shown. The text must be valid TOML.
"""

from collections.abc import Iterator, Mapping

import tomli
import tree_sitter
import tree_sitter_toml

from mpforge.formats.toml import Path

Position = tuple[int, int]


def key_places(text: str) -> Mapping[Path, Position]:
    """Return line and column (from 1, in characters) of every key and list element by its path.

    A table's place is its first header; a list element's is its start.
    """
    source = text.encode()
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
    walk = _Walk(source.split(b"\n"))
    walk.document(parser.parse(source).root_node)
    return walk.places


def nearest_place(places: Mapping[Path, Position], path: Path) -> Position:
    """Return the place of ``path``, else of the closest table or list around it, else the file's start."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return (1, 1)


class _Walk:
    def __init__(self, lines: list[bytes]) -> None:
        self.places: dict[Path, Position] = {}
        self._lines = lines
        self._counts: dict[Path, int] = {}  # elements so far of each array of tables

    def document(self, root: tree_sitter.Node) -> None:
        for node in root.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in {"table", "table_array_element"}:
                self._table(node)

    def _table(self, node: tree_sitter.Node) -> None:
        header, *content = (child for child in node.named_children if child.type != "comment")
        path: Path = ()
        keys = list(_keys(header))
        for number, key in enumerate(keys):
            path = (*path, _name(key))
            self._mark(path, key)
            if number == len(keys) - 1 and node.type == "table_array_element":
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._mark(path, key)
        for child in content:
            if child.type == "pair":
                self._pair(path, child)

    def _pair(self, path: Path, node: tree_sitter.Node) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        for key in _keys(parts[0]):
            path = (*path, _name(key))
            self._mark(path, key)
        if len(parts) > 1:  # fewer for syntax of a newer TOML that the grammar lacks
            self._value(path, parts[1])

    def _value(self, path: Path, node: tree_sitter.Node) -> None:
        items = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for item in items:
                if item.type == "pair":
                    self._pair(path, item)
        elif node.type == "array":
            for number, item in enumerate(items):
                self._mark((*path, number), item)
                self._value((*path, number), item)

    def _mark(self, path: Path, node: tree_sitter.Node) -> None:
        row, column = node.start_point.row, node.start_point.column
        before = self._lines[row][:column].decode()
        self.places.setdefault(path, (row + 1, len(before) + 1))


def _keys(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    pending = [node]
    while pending:  # a dotted key holds another for each of its parts
        node = pending.pop()
        if node.type == "dotted_key":
            pending += reversed(node.named_children)
        else:
            yield node


def _name(key: tree_sitter.Node) -> str:
    text = (key.text or b"").decode()
    if text[:1] not in {'"', "'"}:
        return text
    try:
        return next(iter(tomli.loads(f"{text} = 0")))
    except tomli.TOMLDecodeError:  # the grammar ends it at an escape sequence of TOML 1.1
        return text
