"""Read the ELF members of a static library (``ar(5)``)."""

from collections.abc import Iterator
from pathlib import Path

from mpforge.artifacts.elf import MAGIC, ElfFacts, facts_of, starts_with
from mpforge.artifacts.elf_image import damaged

_MAGIC, _THIN = b"!<arch>\n", b"!<thin>\n"
_HEADER = 60
_BSD_NAME = b"#1/"  # the name's length follows, and the name itself begins the content


def is_one(path: Path) -> bool:
    """Return whether a file starts with the magic number of a static library."""
    return starts_with(path, _MAGIC, _THIN)


def members(path: Path) -> Iterator[tuple[str, ElfFacts]]:
    """Yield name and facts of each ELF member; tables of names and symbols, and other content, are skipped.

    Raises ``ELFError`` for a damaged library, and for a thin one, which only refers to files.
    """
    data = path.read_bytes()
    if data.startswith(_THIN):
        damaged("it is a thin archive, which only refers to files of the build")
    at, names = len(_MAGIC), b""
    while at + _HEADER <= len(data):
        header = data[at : at + _HEADER]
        size = header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            damaged(f"there is no member header at byte {at}")
        start = at + _HEADER
        content = data[start : start + int(size)]
        if len(content) < int(size):
            damaged("it is truncated")
        word = header[:16].rstrip()
        if word == b"//":
            names = content
        elif word.startswith(_BSD_NAME):
            content = content[int(word[3:] or b"0") if word[3:].isdigit() else 0 :]
        if content.startswith(MAGIC):
            yield _name(word, names), facts_of(content)
        at = start + int(size) + int(size) % 2


def _name(word: bytes, names: bytes) -> str:
    """Return a member's name; long ones are in a separate table (GNU)."""
    if word[:1] == b"/" and word[1:].isdigit():
        word = names[int(word[1:]) :].partition(b"/\n")[0]
    return word.removesuffix(b"/").decode("utf-8", "backslashreplace")
