"""Make a library's installed files relocatable.

pkg-config files, CMake packages and ``*-config`` scripts find their own directory, and other libraries in
the directories beside it. Libtool's files and manuals are removed.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts import elf
from mpforge.errors import OutputMissing

_MANUALS = ("man", "share/man", "share/doc", "share/info", "share/gtk-doc", "doc", "info")
_OLD = ("*.la", "*Conf.sh")
"""Descriptions that can't find their own directory: Libtool's, and those of GNOME before pkg-config."""
_SHARED = re.compile(r"(lib[^/]+)\.so(\.[0-9.]+)?$")
_PRIVATE = {"Libs.private": "Libs", "Requires.private": "Requires"}
"""Fields of a .pc file for links with a static library, by the field for links with a shared one."""


@dataclass(frozen=True)
class Prefix:
    """An installed library, as its build knows it.

    ``configured`` are the directories that its files name as its own, ``passing`` the paths of the build's
    directory, which no one else has, ``beside`` the names of the libraries that it was built with, by path.
    Errors call it by its ``title``.
    """

    root: Path
    configured: tuple[str, ...]
    passing: tuple[str, ...]
    beside: Mapping[str, str]
    shared: bool
    title: str = "the library"

    def relocate(self) -> list[str]:
        """Make the tree relocatable; return the names of files that still have a path of the build.

        Raises ``OutputMissing`` for a static library that is there as a shared one only.
        """
        self._tidy()
        for path in [*self.root.rglob("*")]:
            if path.is_symlink() and not path.exists():  # to a file that was removed
                path.unlink()
        for path in [*_files(self.root)]:
            text = _text(path)
            if text is None:
                continue
            changed = text
            if path.suffix == ".pc":
                changed = self._described(path, text)
            elif path.suffix == ".cmake":
                changed = self._replaced(text, f"${{CMAKE_CURRENT_LIST_DIR}}/{self._up(path)}")
            elif text.startswith("#!") and text.split("\n", 1)[0].rstrip().endswith("sh"):
                changed = self._script(path, text)
            if changed != text:
                path.write_text(changed, encoding="utf-8", errors="surrogateescape", newline="")
        return [path.relative_to(self.root).as_posix() for path in self._left()]

    def _tidy(self) -> None:
        for name in _MANUALS:
            shutil.rmtree(self.root / name, ignore_errors=True)
        for pattern in _OLD:
            for path in [*self.root.rglob(pattern)]:
                path.unlink()
        if self.shared:
            return
        for path in [*self.root.glob("lib*/*")]:
            match = _SHARED.match(path.name)
            if match is None:
                continue
            if not path.with_name(f"{match[1]}.a").exists():
                raise OutputMissing(
                    f"{self.title}: the build made {path.name}, but no static library {match[1]}.a",
                    hint="give it the option for a static library, or set shared = true in its table",
                )
            path.unlink()  # a linker would prefer it

    def _up(self, path: Path) -> str:
        """Return the relative path from a file's directory to the tree's top."""
        return "/".join([".."] * (len(path.relative_to(self.root).parts) - 1)) or "."

    def _replaced(self, text: str, here: str) -> str:
        """Return a text with ``here`` in place of the tree's paths, and with those beside it."""
        places = dict.fromkeys(self.configured, here)
        places |= {path: f"{here}/../{name}" for path, name in self.beside.items()}
        for place in sorted(places, key=len, reverse=True):
            parts = re.split(rf"/*{re.escape(place)}(?![\w.-])", text)
            text = places[place].join(parts)
        return text

    def _described(self, path: Path, text: str) -> str:
        """Return a .pc file (pc(5)) with a relative prefix; a static library's is for static links."""
        text = self._replaced(text, "${pcfiledir}/" + self._up(path))
        text = re.sub(r"\s-Wl,-rpath[,=]\S+", "", text)
        return text if self.shared else _with_private(text)

    def _script(self, path: Path, text: str) -> str:
        """Return a shell script that finds its own directory."""
        changed = _outside_quotes(self._replaced(text, "${mpforge_prefix}"))
        if changed == text:
            return text
        first, _, rest = changed.partition("\n")
        find = f'mpforge_prefix=$(cd -- "$(dirname -- "$0")/{self._up(path)}" && pwd)'
        return f"{first}\n{find}\n{rest}"

    def _left(self) -> Iterator[Path]:
        words = [f"{word}/".encode() for word in self.passing]
        for path in _files(self.root):
            data = path.read_bytes()
            if any(word in data for word in words):
                yield path


def _outside_quotes(text: str) -> str:
    """Return a shell script's text in which the variable is not inside of single quotes."""
    variable, lines = "${mpforge_prefix}", []
    for line in text.split("\n"):
        parts, quote, index = [], "", 0
        while index < len(line):
            character = line[index]
            if line.startswith(variable, index):
                parts.append(f"'\"{variable}\"'" if quote == "'" else variable)
                index += len(variable)
                continue
            if character == "\\" and quote != "'":
                parts.append(line[index : index + 2])
                index += 2
                continue
            if character in "'\"" and quote in ("", character):
                quote = "" if quote else character
            parts.append(character)
            index += 1
        lines.append("".join(parts))
    return "\n".join(lines)


def _with_private(text: str) -> str:
    """Return a .pc file whose public fields have the private ones too: static linking needs both."""
    fields: dict[str, str] = dict(re.findall(r"(?m)^([\w.]+):[ \t]*(.*)$", text))
    for private, public in _PRIVATE.items():
        more, known = fields.get(private, "").strip(), fields.get(public, "").strip()
        if not more:
            continue
        comma = ", " if known and public == "Requires" else " "
        lines = [
            line for line in text.splitlines() if not line.startswith((f"{private}:", f"{public}:"))
        ]
        text = "\n".join([*lines, f"{public}: {known}{comma if known else ''}{more}", ""])
    return text


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str | None:
    """Return a file's text, or None for a binary one."""
    if elf.is_elf(path) or elf.is_static_library(path):
        return None
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8", "surrogateescape")


def remove_programs(root: Path) -> None:
    """Remove compiled programs below ``bin``: a build on another machine can't run them."""
    for folder in ("bin", "sbin", "libexec"):
        for path in [*elf.elf_files(root / folder)] if (root / folder).is_dir() else []:
            path.unlink()
