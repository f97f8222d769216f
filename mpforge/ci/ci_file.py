"""Split a CI file into mpforge's part and the user's own parts, and write it anew with the latter kept.

mpforge's part is between two marker lines, and the first one has its digest, so that an edit by hand
shows. Not digested, and kept: the parts between ``# own: NAME`` and ``# end of own``, and the pins of
actions (``NAME@COMMIT # vVERSION``), which update bots move. Text around mpforge's part is kept, too.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mpforge.errors import CiFileEdited, CiFileForeign, Place

_DIGITS = 16
_PIN = re.compile(r"(?P<action>[\w./-]+)@[0-9a-f]{40} # v(?P<version>\d+(?:\.\d+)*)$", re.MULTILINE)
_OWN = re.compile(r"\s*(?:#|//) own: (?P<name>.+)$")
_END_OF_OWN = re.compile(r"\s*(?:#|//) end of own$")


@dataclass(frozen=True)
class CiFile:
    """A service's file by its name, and the word that starts a comment in it."""

    name: str
    service: str
    comment: str = "#"

    def written(self, middle: str) -> str:
        """Return the text of a new file, or mpforge's part of one."""
        end = f"{self.comment} <<< mpforge ci {self.service}"
        return f"{self.comment} >>> mpforge ci {self.service} {_digest(middle)}\n{middle}{end}\n"

    def updated(self, old: str, middle: str, *, force: bool = False) -> str:
        """Return the text for a new ``middle``, with what readers own of the old text.

        Raises ``CiFileForeign`` if mpforge did not write the old text, ``CiFileEdited`` if its part was
        edited (``force``: overwrites the edits) or if an own part has no place in the new text.
        """
        above, digest, edited, below = self._parts(old)
        if not force and digest != _digest(edited):
            self._refuse_edit(edited, middle, above.count("\n") + 2)
        middle = _with_own_parts(middle, self._own_parts(middle, edited, above.count("\n") + 2))
        return f"{above}{self.written(_with_newer_pins(middle, edited))}{below}"

    def is_written_in(self, text: str) -> bool:
        """Return whether mpforge has written a part of a file's text."""
        return f"{self.comment} >>> mpforge ci {self.service} " in text

    def _parts(self, text: str) -> tuple[str, str, str, str]:
        """Return the text above mpforge's part, the digest, the part and the text below."""
        comment = re.escape(self.comment)
        begin = re.search(rf"^{comment} >>> mpforge ci {self.service} (\S*)\n", text, re.MULTILINE)
        if begin is None:
            raise CiFileForeign(
                f"mpforge did not write {self.name}, and leaves it unchanged",
                hint=f"rename it, run `mpforge ci {self.service}`, and copy the jobs that you still need "
                "to the end of the new file, below mpforge's last line",
            )
        end = re.compile(rf"^{comment} <<< mpforge ci {self.service}$\n?", re.MULTILINE)
        last = end.search(text, begin.end())
        if last is None:
            raise CiFileEdited(
                f"the last line of mpforge's part is missing: `{self.comment} <<< mpforge ci {self.service}`",
                hint="put it back above your own jobs",
                place=Place(self.name, text.count("\n", 0, begin.end())),
            )
        return text[: begin.start()], begin[1], text[begin.end() : last.start()], text[last.end() :]

    def _refuse_edit(self, edited: str, middle: str, first: int) -> None:
        """Raise ``CiFileEdited`` at the first line that mpforge would not write; ``first`` is its number."""
        wanted = [line for _, line in _owned(middle)]
        found = list(_owned(edited))
        same = sum(
            1
            for _ in itertools.takewhile(
                lambda pair: pair[0][1] == pair[1], zip(found, wanted, strict=False)
            )
        )
        if same == len(found) == len(wanted):
            return  # only the digest was edited
        number = found[same][0] if same < len(found) else len(edited.splitlines())
        raise CiFileEdited(
            "mpforge's part of the file was edited by hand",
            why="the edit would be overwritten; this is the first line that differs from what mpforge writes",
            hint="undo the edit, or move it into a part marked `own` or below mpforge's last line; "
            f"`mpforge ci {self.service} --force` discards it",
            place=Place(self.name, first + number),
        )

    def _own_parts(self, middle: str, edited: str, first: int) -> dict[str, list[str]]:
        """Return the lines of each own part of the old text. Raises ``CiFileEdited``: one has no place."""
        new = {name for name, _, _ in _own(middle)}
        found: dict[str, list[str]] = {}
        for name, number, lines in _own(edited):
            if name not in new and any(line.strip() for line in lines):
                raise CiFileEdited(
                    f"the new file has no place for your own part `{name}`",
                    why="the spec no longer asks for its job",
                    hint="move its lines below mpforge's last line, or remove them",
                    place=Place(self.name, first + number),
                )
            found[name] = lines
        return found


def _digest(middle: str) -> str:
    text = "\n".join(line for _, line in _owned(middle))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _owned(middle: str) -> Iterator[tuple[int, str]]:
    """Yield mpforge's lines with their numbers from 0: without own parts, pins without their commits."""
    own = False
    for number, line in enumerate(middle.splitlines()):
        own = own and not _END_OF_OWN.match(line)
        if not own:
            yield number, _PIN.sub(r"\g<action>", line)
        own = own or _OWN.match(line) is not None


def _own(middle: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each own part: its name, the number of its first line from 0, and its lines."""
    name, first, lines = "", 0, list[str]()
    for number, line in enumerate(middle.splitlines()):
        if name and not _END_OF_OWN.match(line):
            lines.append(line)
        elif name:
            yield name, first, lines
            name = ""
        elif start := _OWN.match(line):
            name, first, lines = start["name"], number, []


def _with_own_parts(middle: str, own: dict[str, list[str]]) -> str:
    """Return ``middle`` with the lines of its own parts replaced by ``own``'s."""
    new = middle.splitlines()
    for name, first, lines in reversed(list(_own(middle))):
        new[first + 1 : first + 1 + len(lines)] = own.get(name, lines)
    return "\n".join((*new, ""))


def _with_newer_pins(middle: str, old: str) -> str:
    """Return ``middle`` with the pins of the old text where their version is higher."""
    pins = {match["action"]: match for match in _PIN.finditer(old)}

    def chosen(match: re.Match[str]) -> str:
        former = pins.get(match["action"], match)
        return max(match, former, key=lambda pin: [int(n) for n in pin["version"].split(".")])[0]

    return _PIN.sub(chosen, middle)
