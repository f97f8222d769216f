"""The templates of ``targetdata``: files for a target's build, with words to fill in."""

import functools
from collections.abc import Mapping
from importlib import resources


def filled(name: str, values: Mapping[str, str]) -> str:
    """Return a file with each ``@WORD@`` replaced."""
    text = template(name)
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text


@functools.cache
def template(name: str) -> str:
    """Return a file unchanged."""
    data = resources.files("mpforge.toolchains").joinpath("targetdata", name)
    return data.read_text(encoding="utf-8")
