"""Fill the templates of CI files: sections that start with ``%% NAME``, with words written ``@word@``."""

import functools
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

_FOLDER = Path(__file__).with_name("templates")
_SECTION = re.compile(r"^%% (\S+)\n", re.MULTILINE)
_LINE = re.compile(r"^( *)@([a-z/-]+)@\n", re.MULTILINE)
_WORD = re.compile(r"@([a-z/-]+)@")


@functools.cache
def sections(name: str) -> Mapping[str, str]:
    """Return the sections of a template file, in its order."""
    _, *parts = _SECTION.split((_FOLDER / name).read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def fill(text: str, words: Mapping[str, str]) -> str:
    """Replace the words of a section; the words' own texts may have words. Raises ``KeyError``.

    A word alone on its line stands for lines, which get its indentation: an empty one leaves no line.
    """
    while _WORD.search(text):
        if _LINE.search(text):
            text = _LINE.sub(lambda match: _lines(words[match[2]], match[1]), text)
        else:
            text = _WORD.sub(lambda match: words[match[1]].rstrip("\n"), text)
    return text


def _lines(text: str, indentation: str) -> str:
    lines = text.rstrip("\n")
    return textwrap.indent(f"{lines}\n", indentation) if lines else ""
