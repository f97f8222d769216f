"""The entries of ``reference.md``, a link to docs/errors.md: each code's meaning and remedy."""

import functools
import re
import textwrap
from collections.abc import Mapping
from importlib import resources

_WIDTH = 88


@functools.cache
def entries() -> Mapping[str, str]:
    """Return the text of each entry by its code, in the page's order, as Markdown."""
    page = resources.files(__package__).joinpath("reference.md").read_text(encoding="utf-8")
    sections = re.split(r"^##+ ", page, flags=re.MULTILINE)
    named = (section.partition("\n") for section in sections)
    return {code: text.strip() for code, _, text in named if re.fullmatch(r"[a-z][a-z0-9-]*", code)}


def explanation(code: str) -> str | None:
    """Return the entry of a code as text for a terminal; ``None`` for an unknown code."""
    if (text := entries().get(code)) is None:
        return None
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).replace("**", "")
    paragraphs = [
        textwrap.fill(part, _WIDTH, break_on_hyphens=False) for part in plain.split("\n\n")
    ]
    return "\n\n".join((code, *paragraphs))
