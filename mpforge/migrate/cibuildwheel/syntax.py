"""Parse cibuildwheel's syntax: lists in strings, globs over build identifiers, shell commands.

The module ``cibuildwheel`` interprets the options.
"""

import re
import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase

from mpforge.spec.placeholders import KNOWN, misspelt
from mpforge.spec.requirement_lines import parse_line

PIP_INSTALL = re.compile(
    r"(?:PIP_\w+=\s+)*(?:\{?python3?\}?\s+-m\s+)?\{?(?:uv\s+)?pip3?\}?\s+install\s+(?P<words>.+)",
    re.DOTALL,
)
_PIP_FLAGS = frozenset(
    {"-U", "--upgrade", "-q", "--quiet", "--no-cache-dir", "--prefer-binary", "-v", "--verbose"}
)
_BEFORE_A_VALUE = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-f", "-i"}
    | {"--find-links", "--index-url", "--extra-index-url"}
)
_KEEPS_STATE = re.compile(r"\s*(?:cd|pushd|export|source|set|\.)\s")


# --- lists and globs --------------------------------------------------------------------------


def words(value: object) -> list[str]:
    """Return the words of a list, or of one string (quoted as for a shell)."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            return value.split()
    return [str(item) for item in value] if isinstance(value, list) else []


def globs(value: object) -> list[str]:
    """Return globs over build identifiers with their braces expanded."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    apart = re.findall(r"(?:\{[^}]*\}|[^\s{])+", text)  # split at white space outside braces
    return [glob for word in apart for glob in _expanded(word)]


def matches(identifier: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the globs matches."""
    return any(fnmatchcase(identifier, pattern) for pattern in patterns)


def _expanded(glob: str) -> list[str]:
    match = re.search(r"\{([^{}]*)\}", glob)
    if match is None:
        return [glob]
    head, tail = glob[: match.start()], glob[match.end() :]
    return [
        whole
        for choice in match.group(1).split(",")
        for whole in _expanded(f"{head}{choice.strip()}{tail}")
    ]


# --- commands ---------------------------------------------------------------------------------


def commands(value: object) -> list[str]:
    """Return shell lines; cibuildwheel joins a list with ``&&``, so lines that change the shell stay one."""
    lines = [value] if isinstance(value, str) else [str(line) for line in as_list(value)]
    if any(_KEEPS_STATE.match(line) for line in lines[:-1]):
        lines = [" && ".join(lines)]
    return [with_our_placeholders(line.rstrip("\n")) for line in lines]


def as_list(value: object) -> list[object]:
    """Return a list unchanged, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def with_our_placeholders(line: str) -> str:
    """Translate placeholders, and escape words that are placeholders only for mpforge."""
    theirs = {"project", "package", "wheel", "dest_dir", "python"}

    def kept(match: re.Match[str]) -> str:
        word = match["word"]
        ours = word in KNOWN - theirs or bool(misspelt(match.group()))
        return f"#{match.group()}" if ours and word not in theirs else match.group()

    # In its containers the project is /project.
    line = re.sub(r"(?<![\w/.}])/project(?=/|$)", "{project}", line.replace("{pip}", "pip"))
    return re.sub(r"(?<![$#])\{(?P<word>[A-Za-z_]\w*)(?::\w+)?\}", kept, line)


def pip_requirements(listed: list[str], folder: str = "") -> tuple[list[str], list[str]]:
    """Split pip's arguments into entries of ``requires`` and the rest.

    ``folder`` is the package's, with a slash at its end; paths become relative to the repository.
    """
    entries: list[str] = []
    others: list[str] = []
    words = iter(word for word in listed if word not in _PIP_FLAGS)
    for word in words:
        text = f"{word} {next(words, '')}".strip() if word in _BEFORE_A_VALUE else word
        text = text.replace("{package}/", f"./{folder}").replace("{project}/", "./")
        # Files are relative to cibuildwheel's working directory, with and without "./".
        text = re.sub(r"^(-r|--requirement[= ]|-c|--constraint[= ])\s*\./", r"\1 ", text)
        (entries if is_entry(text) else others).append(text)
    return entries, others


def is_entry(text: str) -> bool:
    """Return whether a text is a line of pip's requirements files that ``requires`` accepts."""
    try:
        return parse_line(text) is not None
    except ValueError:
        return False


def quoted(text: str) -> str:
    """Return a text for a message: on one line, shortened."""
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= 70 else f"`{line[:66]} …`"
