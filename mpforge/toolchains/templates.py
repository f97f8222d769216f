"""The files of ``targetdata``: what a target's build is shown, with words to be filled in."""

import functools
from collections.abc import Mapping
from importlib import resources


def filled(name: str, values: Mapping[str, str]) -> str:
    """A file with each ``@WORD@`` replaced."""
    text = template(name)
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text


@functools.cache
def template(name: str) -> str:
    """A file as it is."""
    data = resources.files("mpforge.toolchains").joinpath("targetdata", name)
    return data.read_text(encoding="utf-8")
