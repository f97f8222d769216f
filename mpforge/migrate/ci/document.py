"""A CI service's file: its path, its text, its content, and settings with their lines."""

from dataclasses import dataclass
from typing import Any

from mpforge.formats.toml import Path
from mpforge.formats.yaml_text import Yaml
from mpforge.migrate.cibuildwheel.options import Setting


@dataclass(frozen=True)
class Document:
    """A YAML file of a project."""

    path: str
    text: str
    yaml: Yaml

    @property
    def value(self) -> Any:
        """Return its content."""
        return self.yaml.value

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the closest one around it."""
        return self.yaml.line(path)

    def text_of_line(self, path: Path) -> str:
        """Return the line of a value as it is written."""
        return self.text.splitlines()[self.line(path) - 1]

    def setting(self, name: str, value: Any, path: Path, below: int = 0) -> Setting:
        """Return a setting at a path of the document, some lines ``below`` it."""
        return Setting(name, value, self.path, self.line(path) + below)
