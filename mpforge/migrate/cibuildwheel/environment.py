"""Evaluate the values of cibuildwheel's ``environment``, which are words of bash.

mpforge's values are literal. So ``$NAME`` is replaced here where its text is known: a variable set before
it in the same option, the project's directory (``$PWD``, ``$(pwd)``), and a variable's own value before, of
those to which mpforge appends. Anything else is a reason why the variable can't be translated.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

APPENDED = frozenset(
    {
        *("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MATURIN_PEP517_ARGS"),
        *("PKG_CONFIG_PATH", "PYTHONPATH"),
    }
)
"""Variables that mpforge appends to its own (docs/configuration.md, ``environment``)."""
JOBS = "\x01"
"""Stands for the number of jobs, `{jobs}`, in a text."""
_KNOWN = {"PWD": "{project}", "$pwd": "{project}", "$nproc": JOBS}
_PARTS = re.compile(
    r"""\$\((?P<command>(?:[^()]|\([^()]*\))*)\)
      | `(?P<ticks>[^`]*)`
      | \$\{(?P<braced>\w+)\} | \$(?P<name>\w+)
      | \$\{(?P<odd>[^}]*)\}
      | \\(?P<escaped>[$`"\\])
      | (?P<text>[^$`\\]+|.)""",
    re.VERBOSE | re.DOTALL,
)


def evaluated(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str | None, str]]:
    """Yield each variable with its text, or with None and the reason why there is none."""
    known: dict[str, str] = {}
    for name, word in pairs:
        text, reason = _value(name, word, known)
        if text is not None:
            known[name] = text
        yield name, text, reason


def _value(name: str, word: str, known: dict[str, str]) -> tuple[str | None, str]:
    found = ""
    for quote, inner in _quoted(word):
        if quote == "'":
            found += inner
            continue
        for match in _PARTS.finditer(inner):
            text, reason = _part(name, match, known)
            if text is None:
                return None, reason
            found += text
    if name in APPENDED:
        found = found.strip().strip(":") if name.endswith("PATH") else found.strip()
    return found, ""


def _quoted(word: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a word, each with its quote or without one."""
    for match in re.finditer(
        r"""'([^']*)'|"((?:\\.|[^"\\])*)"|((?:\\.|[^'"\\])+|.)""", word, re.DOTALL
    ):
        if match[1] is not None:
            yield "'", match[1]
        elif match[2] is not None:
            yield '"', match[2]
        else:
            yield "", re.sub(r"\\(?![$`\"\\])(.)", r"\1", match[3])


def _part(name: str, match: re.Match[str], known: dict[str, str]) -> tuple[str | None, str]:
    """Return the text of one part of a value, or None and the reason."""
    command = match["command"] if match["command"] is not None else match["ticks"]
    if command is not None:
        if (echoed := _echoed(command)) is not None:
            return echoed, ""
        reason = "mpforge runs no command to get a value; write the text that the command prints"
        return _KNOWN.get(f"${command.strip()}"), f"`{match.group()}`: {reason}"
    if match["odd"] is not None:
        return None, f"`{match.group()}`: only $NAME and ${{NAME}} are expanded; write the text"
    used = match["braced"] or match["name"]
    if used is None:
        return match["escaped"] or match["text"], ""
    own = {name: ""} if name in APPENDED else {}
    text = {**_KNOWN, **own, **known}.get(used)
    return text, f"`${used}` is not a variable of this option; write its value"


def _echoed(command: str) -> str | None:
    """Return what ``echo`` of literal words prints; None for any other command."""
    if not command.startswith("echo ") or re.search(r"[$`|;&<>*?\\(){}\[\]~#!]", command):
        return None
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        return None
    return None if words[:1] and words[0].startswith("-") else " ".join(words)
