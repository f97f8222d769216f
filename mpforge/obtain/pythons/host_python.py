"""A host CPython of each wanted minor version, with its headers: found, or obtained by uv.

Build hooks run on it and a target view is made from its headers, so its identity enters the key of
every wheel: its version and build string, its ABI, and the digests of executable, libpython,
sysconfig data, headers and library (docs/architecture.md, "What is in a step's key"), never its path.
This module knows nothing of builds.
"""

import functools
import hashlib
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge import processes
from mpforge.errors import NoHostPython
from mpforge.obtain.host_programs import is_shared
from mpforge.obtain.pythons import installed_pythons
from mpforge.plan import codec
from mpforge.platforms import python_words
from mpforge.store import notes
from mpforge.store.files import digest_of_files, hash_file
from mpforge.store.stamps import Stamp, stamp

_WORD = re.compile(r"cp(3)(\d+)(t?)")
_SCHEMA = 4

# Run by any interpreter from 3.6 on, with nothing but its standard library. Debian's own keeps
# pyconfig.h in a directory of the multiarch name, hence the third candidate.
PROBE = """
import json, os, sys, sysconfig
get = sysconfig.get_config_var
include = sysconfig.get_path("include", "posix_prefix")
multiarch = get("MULTIARCH") or getattr(sys.implementation, "_multiarch", "")
head, tail = os.path.split(include)
includes = [include, sysconfig.get_path("platinclude", "posix_prefix"),
            os.path.join(head, multiarch, tail)]
name = sysconfig._get_sysconfigdata_name()
data = getattr(__import__(name), "__file__", "")
library = os.path.join(get("LIBDIR") or "", get("INSTSONAME") or get("LDLIBRARY") or "")
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "build": sys.version,
    "implementation": sys.implementation.name,
    "free_threaded": bool(get("Py_GIL_DISABLED")),
    "abiflags": sys.abiflags,
    "soabi": get("SOABI") or "",
    "ext_suffix": get("EXT_SUFFIX") or "",
    "multiarch": multiarch,
    "includes": [d for i, d in enumerate(includes) if d not in includes[:i] and os.path.isdir(d)],
    "sysconfigdata": data,
    "sysconfigdata_name": name,
    "libpython": library if get("Py_ENABLE_SHARED") and os.path.isfile(library) else "",
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "is_environment": sys.prefix != sys.base_prefix,
    "path": [p for p in sys.path if p],
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython with headers, wherever it runs.

    ``python`` is its word (``cp311``), ``version`` its full version, ``digest`` its identity. ``includes``
    are directories of this host with its headers, the one with Python.h first.
    """

    python: str
    version: str
    digest: str
    abiflags: str
    multiarch: str
    sysconfigdata_name: str
    includes: tuple[Path, ...]

    @property
    def short_version(self) -> str:
        """Return ``3.11``, as in the names of its directories."""
        return self.version.rpartition(".")[0]

    @property
    def headers_name(self) -> str:
        """Return ``python3.11`` or ``python3.13t``, the name of its directory of headers."""
        return python_words.parse(self.python).program


@dataclass(frozen=True)
class HostPython(Interpreter):
    """An interpreter that runs on this host.

    ``executable`` is its real path (never a shim's or a virtual environment's), ``parts`` the named
    ingredients of its ``digest``, e.g. ``("version", "3.11.7")``, without paths. ``stamp`` has the
    path and the stamp of each hashed file.
    ``path`` are the directories of its own library (``libraries``), which ``find`` does not read.
    """

    executable: Path
    parts: tuple[tuple[str, str], ...]
    stamp: tuple[tuple[str, Stamp], ...]
    path: tuple[str, ...]

    @functools.cached_property
    def files(self) -> frozenset[Path]:
        """Its directories, and what it uses outside of them: libpython, and the ends of links.

        Its path also names a ``pythonXY.zip``, which hardly any Python has.
        """
        named = (*map(Path, self.path), *self.includes)
        folders = {folder for folder in named if folder.exists()}
        entries = (entry for folder in folders if folder.is_dir() for entry in folder.iterdir())
        ends = {entry.resolve() for entry in entries if entry.is_symlink()}
        beside = {end if is_shared(end.parent) else end.parent for end in ends}
        return frozenset(folders | beside | {Path(path) for path, _ in self.stamp})

    @property
    def patched(self) -> str:
        """Return the module of its library that uv wrote a path into, or an empty text."""
        is_managed = installed_pythons.is_managed(self.executable)
        return self.sysconfigdata_name if is_managed else ""

    def with_part(self, name: str, digest: str) -> "HostPython":
        """Return a copy whose identity includes something, which has this digest."""
        parts = (*self.parts, (name, digest))
        return replace(self, parts=parts, digest=_digest(parts))


def own_word() -> str:
    """Return the word of the interpreter that runs mpforge."""
    threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"cp{sys.version_info[0]}{sys.version_info[1]}{threads}"


def find(python: str, *, install: bool = True, portable: bool = False) -> HostPython:
    """Return a host CPython of this word, from pyenv, uv or PATH, else installed by uv if ``install``.

    ``portable``: one that runs without this host's ``/usr``, uv's if it can be had. Raises ``NoHostPython``,
    which names the interpreters without headers and the remedy.
    """
    match = _WORD.fullmatch(python)
    if match is None:
        raise NoHostPython(
            f"no host interpreter for {python}", why="builds run on CPython (cp3XY, cp3XYt) only"
        )
    version, suffix = f"{match[1]}.{match[2]}", match[3]
    headless: list[Path] = []
    managed = functools.partial(installed_pythons.managed, version, suffix)
    every = [*installed_pythons.candidates(version, suffix)]
    found = _first(python, managed() if portable else every, headless)
    if found is not None:
        return found
    failure = _install(version + suffix) if install else ""
    others = [path for path in every if portable and not installed_pythons.is_of_system(path)]
    found = _first(python, [*managed(), *others], headless)
    if found is None:
        raise _absent(version, suffix, headless, failure)
    return found


def at(python: str, executable: Path) -> HostPython:
    """Return the CPython of a word at a path. Raises ``NoHostPython`` if it is none, or lacks headers."""
    found = _first(python, [executable], [])
    if found is None:
        raise NoHostPython(f"{executable} is no {python} with its headers")
    return found


def find_all(
    words: Iterable[str], remembered: Path, *, install: bool = True, portable: bool = False
) -> dict[str, HostPython | NoHostPython]:
    """Call ``find`` for each word; ``remembered`` is a file with the results of earlier calls.

    A remembered interpreter is used while its files are unchanged (``still_valid``). One is remembered unless
    ``find`` would prefer another that it was not allowed to install.
    """
    known = _load(remembered)
    answer: dict[str, HostPython | NoHostPython] = {}
    for word in dict.fromkeys(words):
        kept = known.get(word)
        if kept is not None and still_valid(kept):
            answer[word] = kept
            continue
        try:
            answer[word] = find(word, install=install, portable=portable)
        except NoHostPython as error:
            answer[word] = error
    fresh = {word: host for word, host in answer.items() if isinstance(host, HostPython)}
    if (install or not portable) and any(known.get(word) != host for word, host in fresh.items()):
        _keep(remembered, known | fresh)
    return answer


def remembered(python: str, note: Path) -> HostPython | None:
    """Return the interpreter that ``find_all`` remembered in a file, if it is unchanged."""
    kept = _load(note).get(python)
    return kept if kept is not None and still_valid(kept) else None


def to_json(host: HostPython) -> dict[str, object]:
    """Return an interpreter as JSON data that ``from_json`` reads back."""
    return {"schema": _SCHEMA, **codec.encode(host)}


def from_json(data: object) -> HostPython:
    """Return the interpreter of ``to_json``'s data. Raises ``ValueError`` for any other data."""
    if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
        raise ValueError("not a remembered interpreter of this version of mpforge")
    return codec.decode(HostPython, {k: v for k, v in data.items() if k != "schema"})


def still_valid(host: HostPython) -> bool:
    """Return whether every hashed file is unchanged, by its stamp."""
    return host.stamp == _stamp(Path(path) for path, _ in host.stamp)


def headers(includes: Iterable[Path]) -> dict[str, Path]:
    """Return CPython's own headers by their relative name; of two with one name, the later directory's.

    Headers of other packages there (greenlet, numpy) are not part of an interpreter.
    """
    found: dict[str, Path] = {}
    for directory in includes:
        files = [*directory.glob("*.h")]
        for part in ("cpython", "internal"):
            files += directory.joinpath(part).rglob("*.h")
        found |= {path.relative_to(directory).as_posix(): path for path in files if path.is_file()}
    return found


def _install(request: str) -> str:
    """Have uv install ``3.13`` or ``3.13t``; return the reason if it failed, else an empty string."""
    import uv

    argv = [uv.find_uv_bin(), "python", "install", "--no-bin", request]
    try:
        answer = processes.capture(argv, timeout=1800)
    except (OSError, TimeoutError) as error:
        return str(error)
    return "" if answer.returncode == 0 else answer.stderr.strip()


def _absent(version: str, suffix: str, headless: list[Path], failure: str) -> NoHostPython:
    seen = [f"{path} has no headers (no Python.h, or no pyconfig.h)" for path in headless]
    if failure:
        seen += [f"uv python install {version}{suffix}: {line}" for line in failure.splitlines()]
    hint = f"run `uv python install {version}{suffix}`, or `pyenv install {version}{suffix}`"
    system = [path for path in headless if path.parent in {Path("/usr/bin"), Path("/bin")}]
    if system:
        hint = f"run `apt-get install {system[0].name}-dev`"
    what = f"no CPython {version}{suffix} with its headers on this host"
    return NoHostPython(what, why="\n".join(seen) or None, hint=hint)


# --- the identity of an interpreter -----------------------------------------------------------


def _first(python: str, candidates: Iterable[Path], headless: list[Path]) -> HostPython | None:
    """Return the first candidate of this word that has headers; add those without to ``headless``."""
    seen: set[Path] = set()
    for candidate in candidates:
        answer = _probe(candidate)
        if answer is None or word_of(answer) != python:
            continue
        executable = Path(str(answer["executable"])).resolve()
        if executable in seen or executable in headless:
            continue
        seen.add(executable)
        host = _described(python, executable, answer)
        if host is not None:
            return host
        headless.append(executable)
    return None


def word_of(answer: Mapping[str, object]) -> str | None:
    """Return the word (``cp313t``) for a probe's answer, ``None`` unless it is a CPython's."""
    if answer.get("implementation") != "cpython":
        return None
    major, minor, _ = str(answer["version"]).split(".")
    return f"cp{major}{minor}{'t' if answer['free_threaded'] else ''}"


def unseen(word: str) -> Interpreter:
    """Return an interpreter of which only the word is known; a view of it has the same content."""
    threads = "t" if word.endswith("t") else ""
    version = f"{python_words.parse(word).version}.0"
    return Interpreter(word, version, "", threads, "", "", ())


def elsewhere(
    answer: Mapping[str, object], *, includes: tuple[Path, ...], digest: str
) -> Interpreter | None:
    """Return an interpreter that answered ``PROBE`` in another place, with headers copied from there.

    None if it is no CPython, or has no headers.
    """
    word = word_of(answer)
    if word is None or not {"Python.h", "pyconfig.h"} <= headers(includes).keys():
        return None
    return Interpreter(python=word, digest=digest, includes=includes, **_names(answer))


def _names(answer: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of an ``Interpreter`` that are as in its answer."""
    names = ("version", "abiflags", "multiarch", "sysconfigdata_name")
    return {name: str(answer[name]) for name in names}


def _probe(interpreter: Path) -> dict[str, object] | None:
    """Run ``PROBE`` without site and user settings; return the answer, ``None`` if there is none."""
    answer = _ask(interpreter)
    if answer is not None and answer.get("is_environment"):
        # Python 3.14 answers for the environment even without site: ask its base interpreter.
        return _ask(Path(str(answer["executable"])))
    return answer


def _ask(interpreter: Path) -> dict[str, object] | None:
    # _PYTHON_SYSCONFIGDATA_NAME and its like are obeyed even with -I.
    environment = {key: value for key, value in os.environ.items() if "PYTHON" not in key}
    argv = [str(interpreter), "-I", "-S", "-c", PROBE]
    try:
        answer = processes.capture(argv, environment=environment, timeout=60)
        record = json.loads(answer.stdout) if answer.returncode == 0 else None
    except (OSError, TimeoutError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _described(python: str, executable: Path, answer: Mapping[str, object]) -> HostPython | None:
    """Return the interpreter with its identity; ``None`` if it has no headers."""
    listed, path = answer["includes"], answer["path"]
    includes = tuple(map(Path, listed)) if isinstance(listed, list) else ()
    found = headers(includes)
    if not {"Python.h", "pyconfig.h"} <= found.keys():
        return None
    libpython, sysconfigdata = str(answer["libpython"]), str(answer["sysconfigdata"])
    files = [executable, *(Path(path) for path in (libpython, sysconfigdata) if path)]
    parts = (
        ("version", str(answer["version"])),
        ("build", " ".join(str(answer["build"]).split())),
        ("abi", f"{answer['soabi']} {answer['ext_suffix']}"),
        ("executable", hash_file(executable).digest),
        ("libpython", hash_file(Path(libpython)).digest if libpython else "none"),
        ("sysconfigdata", _of_any_place(Path(sysconfigdata)) if sysconfigdata else "none"),
        ("headers", digest_of_files(sorted(found.items()))),
    )
    return HostPython(
        python=python,
        executable=executable,
        digest=_digest(parts),
        parts=parts,
        includes=includes,
        stamp=_stamp([*files, *includes, *found.values()]),
        path=tuple(map(str, path)) if isinstance(path, list) else (),
        **_names(answer),
    )


def _of_any_place(sysconfigdata: Path) -> str:
    """Return the digest of a Python's own configuration, without the path that uv writes into it."""
    if not installed_pythons.is_managed(sysconfigdata):
        return hash_file(sysconfigdata).digest
    home = str(sysconfigdata.resolve().parents[2])  # its lib/python3.11/
    text = sysconfigdata.read_bytes().replace(home.encode(), b"/install")
    return hashlib.sha256(text).hexdigest()


def _digest(parts: tuple[tuple[str, str], ...]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _stamp(paths: Iterable[Path]) -> tuple[tuple[str, Stamp], ...]:
    return tuple((str(path), stamp(str(path))) for path in paths)


# --- remembering ------------------------------------------------------------------------------


def _load(remembered: Path) -> dict[str, HostPython]:
    """Return the remembered interpreters; none if the file can't be read."""
    try:
        hosts = [from_json(data) for data in notes.load(remembered)]
    except (ValueError, TypeError):
        return {}
    return {host.python: host for host in hosts}


def _keep(remembered: Path, hosts: Mapping[str, HostPython]) -> None:
    notes.keep(remembered, [to_json(hosts[word]) for word in sorted(hosts)])
