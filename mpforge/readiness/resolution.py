"""Resolve requirements as an installer on a target would: the newest versions, with or without a wheel."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import Unresolvable, WrongInput
from mpforge.obtain.packages.interpreter_answers import interpreter_for
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.uv import explanation, failure, unreachable, uv
from mpforge.plan.pins import EnvironmentRequest
from mpforge.platforms import python_words, well_known
from mpforge.processes import Captured

_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(\S+)\s*(?:;.*)?$")
_MALFORMED = re.compile(r"Couldn't parse|failed to read from file|Unsupported requirement")
_FROM = re.compile(r"^\s+# from (\S+)$")
_NAME = r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)"
# The first package that uv's explanation finds fault with, whatever needs it.
_AT_FAULT = re.compile(
    rf"Failed to (?:download and )?build `{_NAME}[=`]|"
    rf"Because (?:there (?:is|are) no versions? of {_NAME}|only {_NAME}\S* (?:is|are) available|"
    rf"{_NAME} was not found|the requested Python version .*? and {_NAME}[^\s]* depends on Python)"
)


@dataclass(frozen=True)
class Resolved:
    """A package that is needed: its version, and the index that has it (empty: a file or directory)."""

    name: str
    version: str
    index: str


def resolve(
    request: EnvironmentRequest, index: Index, files: Sequence[Path] = ()
) -> tuple[tuple[Resolved, ...], dict[str, str]]:
    """Return the packages for a request's Python and platform, and for files of requirements, by name.

    Also return the packages without a usable version, with uv's reason; others are resolved without them. uv
    may run build scripts of packages without a wheel, to learn their requirements. Raises ``Unresolvable``,
    ``IndexUnreachable``, ``WrongInput`` for a file that is none of requirements.
    """
    system = well_known()[request.target], request.policy
    missing: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="mpforge-readiness-") as name,
        interpreter_for(request.python, system, builds=True) as interpreter,
    ):
        given, answer = Path(name) / "requirements.in", Path(name) / "requirements.txt"
        given.write_text("\n".join(request.requirements), encoding="utf-8")
        excludes = Path(name) / "excludes.txt"
        words = ["pip", "compile", "-q", "--no-header", "--no-annotate", "--emit-index-annotation"]
        words += ["--python", str(interpreter), "--output-file", str(answer)]
        words += ["--python-version", python_words.parse(request.python).version]
        words += [str(given), *(str(file.absolute()) for file in files)]
        while (done := uv(words, index=index)).returncode != 0:
            why = _explained(done, index)
            found = _AT_FAULT.search(why)
            culprit = next((one for one in found.groups() if one), "") if found else ""
            if not culprit or culprit in missing:
                raise Unresolvable(
                    f"the requirements can't be resolved for {request.platform}, {request.python}",
                    why=why,
                )
            if not missing:
                words += ["--excludes", str(excludes)]
            missing[culprit] = why.splitlines()[0].partition(", we can conclude")[0]
            excludes.write_text("\n".join(missing), encoding="utf-8")
        return tuple(parse(answer.read_text("utf-8"))), missing


def _explained(done: Captured, index: Index) -> str:
    """Return why uv found no solution. Raises ``IndexUnreachable``, ``WrongInput``."""
    if failure(done) == "unreachable":
        raise unreachable(done, index)
    if _MALFORMED.search(done.stderr):
        raise WrongInput("the requirements can't be read", why=explanation(done))
    return explanation(done)


def parse(text: str) -> list[Resolved]:
    """Return the packages in uv's answer; those that come from a file or an address have no index."""
    found: list[Resolved] = []
    for line in text.splitlines():
        if named := _LINE.match(line):
            found.append(Resolved(named[1], named[2], ""))
        elif (origin := _FROM.match(line)) and found:
            last = found.pop()
            found.append(Resolved(last.name, last.version, origin[1]))
    return found
