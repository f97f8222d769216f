"""Check that a wheel for many Pythons holds nothing for only one, by file names and symbols.

Symbols are checked as abi3audit does, by the same table. Knows nothing of platforms' policies.
"""

import re
from collections.abc import Iterator, Mapping

from mpforge.artifacts.binary_format import Binary
from mpforge.artifacts.wheels import WheelName
from mpforge.platforms import Platform, python_words
from mpforge.platforms.symbols import stable_abi

# PEP 384, PEP 803: a wheel for both kinds of CPython has the tag cp315-abi3.abi3t.
_STABLE = frozenset({"abi3", "abi3t"})
_OF_PYTHON = re.compile(r"_?Py")
# PEP 3149: NAME.cpython-311-x86_64-linux-gnu.so, NAME.pypy311-pp73-x86_64-linux-gnu.so
_SUFFIX = re.compile(
    r"\.(?:cpython-3(?P<minor>\d+)(?P<flags>[a-z]*)|(?P<pypy>pypy3(?P<own>\d+)-pp\d+))"
    r"-(?P<machine>[\w-]+)\.so$"
)


def promised(name: WheelName, python: str) -> tuple[int, int] | None:
    """Return the oldest Python of an open-ended promise; None if the wheel's tags name each Python.

    A wheel for every Python (``py3-none``) is taken to promise those from the session's on.
    """
    if not _STABLE.isdisjoint(name.abis):
        minors = [int(word[3:]) for word in name.pythons if re.fullmatch(r"cp3\d+", word)]
        return 3, min(minors, default=2)
    if "none" in name.abis and any(word.startswith("py") for word in name.pythons):
        return 3, python_words.parse(python).minor
    return None


def suffix_reasons(
    files: Mapping[str, Binary], name: WheelName, platform: Platform
) -> Iterator[str]:
    """Yield a reason for each extension module named for a Python or machine that the wheel's tags lack."""
    lasting = promised(name, "cp32")
    abis = {abi.rstrip("m") for abi in name.abis} - {"none", *_STABLE}
    own = abis or set(name.pythons)
    for file in files:
        if "abi3t" in name.abis and file.endswith(".abi3.so"):
            yield f"a free-threaded Python does not find {file}: it looks for .abi3t.so"
        match = _SUFFIX.search(file)
        if match is None:
            continue
        python = match["pypy"].replace("-", "_") if match["pypy"] else f"cp3{match['minor']}"
        minor = int(match["minor"] or match["own"])
        python += "t" if "t" in (match["flags"] or "") else ""
        if lasting is not None:
            yield f"{file} is for {python} alone, the tag is {'.'.join(name.abis)}"
        elif python not in own:
            yield f"{file} is for {python}, the tag is {'.'.join(sorted(own))}"
        elif match["machine"] != (expected := platform.extension_platform(minor)):
            yield f"{file} is for {match['machine']}, Python looks for {expected}"


def symbol_reasons(files: Mapping[str, Binary], oldest: tuple[int, int]) -> Iterator[str]:
    """Yield a reason for each Python symbol that the files use and the stable ABI of a version lacks."""
    version = ".".join(map(str, oldest))
    for file, facts in files.items():
        for symbol in facts.undefined:
            if not _OF_PYTHON.match(symbol.name):
                continue
            since = stable_abi().get(symbol.name)
            if since is None:
                yield f"{file} uses {symbol.name}, which is not in the stable ABI"
            elif since > oldest:
                added = ".".join(map(str, since))
                yield f"{file} uses {symbol.name}, which is in the stable ABI since {added}, not {version}"
