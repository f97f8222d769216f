"""A checkout to try mpforge in: write files, run the real nox or mpforge, read what came of it.

Nothing here imports mpforge: what is looked at is what a user sees. A run gets a clean environment, so
that neither CI's variables nor those of the nox that runs the tests reach it. Programs are forked from a
process that has imported them (``forkserver``), which spares half of a short run's time; ``fresh`` ones are
started as a shell would.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e import forkserver
from tests.e2e.forkserver import Forked

NOXFILE = """
    import mpforge.sessions

    mpforge.sessions.register()
"""
PROGRAMS = Path(sys.executable).parent
"""Where nox and mpforge are: the environment that the tests run in."""

SHARED = ("tools", "distribution", "engines")
"""What a cache may take from another: all that is no result of a project."""

_NOT_PASSED = re.compile(r"(MPFORGE|NOX|PYTEST|COV|FORCE_COLOR|CI$|GITHUB|VIRTUAL_ENV|PYTHONPATH)")
_ENDED = re.compile(
    r"^nox > \* (?P<name>\S+): (?P<status>[a-z]+)(?: \((?P<why>.*)\))?(?:, took .*)?$"
)
_SAID = re.compile(r"^nox > Session (?P<name>\S+) (?:skipped|aborted|failed): (?P<why>.*?)\.?$")
_PATIENCE = 120.0
_LENIENT = ("utf-8", "replace")


@dataclass(frozen=True)
class Run:
    """How a run ended: its exit code, all that it printed, and each session's (status, reason).

    Statuses are nox's: success, skipped, aborted, failed.
    """

    code: int
    output: str

    @property
    def sessions(self) -> dict[str, tuple[str, str]]:
        """What nox's summary says; of a single session nox prints none, then the line of its end."""
        lines = self.output.splitlines()
        said = {m["name"]: m["why"] for line in lines if (m := _SAID.match(line))}
        ended = {m["name"]: m for line in lines if (m := _ENDED.match(line))}
        if not ended:
            return {name: ("skipped", why) for name, why in said.items()}
        return {n: (m["status"], m["why"] or said.get(n, "")) for n, m in ended.items()}

    @property
    def warnings(self) -> list[str]:
        """What mpforge warned of."""
        mark = "mpforge > warning: "
        lines = self.output.splitlines()
        return [line.removeprefix(mark) for line in lines if line.startswith(mark)]

    @property
    def did(self) -> set[str]:
        """The sessions that did something: they neither were skipped nor failed."""
        return {name for name, (status, _) in self.sessions.items() if status == "success"}

    @property
    def cached(self) -> set[str]:
        """The sessions whose results were there already."""
        found = self.sessions.items()
        return {n for n, (status, why) in found if status == "skipped" and "cached: " in why}

    def reason(self, session: str) -> str:
        """What nox says of a session's end."""
        return self.sessions[session][1]

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.output}"


@dataclass(frozen=True)
class Cache:
    """A cache directory of mpforge's."""

    root: Path

    @classmethod
    def sharing(cls, shared: Path, root: Path) -> "Cache":
        """A cache with a store of its own; tools are those of ``shared``, which are made if need be."""
        root.mkdir(parents=True)
        for name in SHARED:
            (shared / name).mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(shared / name)
        return cls(root)

    @classmethod
    def lent(cls, other: "Cache", root: Path, *tools: str) -> "Cache":
        """A cache that has of another's only those tools whose names begin so."""
        folder = root / "tools"
        folder.mkdir(parents=True)
        for tool in (other.root / "tools").iterdir():
            if tool.name.startswith(tools):
                (folder / tool.name).symlink_to(tool.resolve())
        return cls(root)

    def copy_store(self, other: "Cache") -> None:
        """Give another cache this one's store, less what processes only use while they run."""
        passing = shutil.ignore_patterns("work", "locks")
        shutil.copytree(self.root / "store", other.root / "store", symlinks=True, ignore=passing)

    def copy_tools(self, other: "Cache") -> None:
        """Give another cache this one's own tools, and what it knows of this host's files."""
        shutil.copytree(self.root / "tools", other.root / "tools", symlinks=True)
        shutil.copy2(self.root / "hostfiles.json", other.root)

    def stored(self) -> set[str]:
        """The keys of the stored results."""
        return {path.stem for path in (self.root / "store" / "actions").glob("*/*.json")}

    def leftovers(self) -> list[Path]:
        """Files that only a write or a step that did not end may leave."""
        store = self.root / "store"
        return [*store.rglob(".new-*"), *store.glob("work/*")]

    def holding(self, data: bytes) -> list[Path]:
        """The files of the store in which these bytes stand, however it keeps them."""
        files = (path for path in (self.root / "store").rglob("*") if path.is_file())
        found = [path for path in files if data in path.read_bytes()]
        assert found, f"no file of the store holds {data[:60]!r}"
        return found


@dataclass
class Running:
    """A program that was started, with a session (process group) of its own."""

    process: "subprocess.Popen[bytes] | Forked"
    mark: str
    _output: int
    _heard: bytes = b""

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Send a signal to the program, or as a terminal does to its whole group."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def says(self, text: str) -> None:
        """Wait until it has printed a text."""
        end = time.monotonic() + _PATIENCE
        while text.encode() not in self._heard:
            assert self._hear(end), f"it did not say {text!r}:\n{self._heard.decode(*_LENIENT)}"

    def end(self) -> Run:
        """Wait for its end, and for that of all that it started and that is dying already."""
        end = time.monotonic() + _PATIENCE
        while self._hear(end):
            pass
        assert time.monotonic() < end, f"it does not end:\n{self._heard.decode(*_LENIENT)}"
        code = self.process.wait(_PATIENCE)
        return Run(code, self._heard.decode(*_LENIENT))

    def _hear(self, end: float) -> bool:
        """Read what it prints next; False at its end or when time is up."""
        ready, _, _ = select.select([self._output], [], [], max(0.0, end - time.monotonic()))
        more = os.read(self._output, 65536) if ready else b""
        self._heard += more
        return bool(more)

    def left(self) -> list[str]:
        """The programs with our mark in their environment that still run."""
        return programs_with(self.mark)


def programs_with(mark: str) -> list[str]:
    """The programs that have a text in their arguments or environment, as ``PID argv | environment``."""
    return [program for program in _programs() if mark in program]


def _programs() -> Iterator[str]:
    """All programs of this machine as ``PID argv | environment``."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                environ = (folder / "environ").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            yield f"{folder.name} {os.fsdecode(argv)} | {os.fsdecode(environ)}"


@dataclass
class Workspace:
    """A directory with a spec, a noxfile and a project, the cache that it uses, and variables."""

    root: Path
    cache: Cache
    variables: dict[str, str | None] = field(default_factory=dict)
    under: tuple[str, ...] = ()
    """What programs are started by (``unshare …``)."""
    mortal: bool = False
    """Whether permissions of files matter to programs even if they are root's; forked ones only."""

    # --- files ---------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> Path:
        """Write a file; the text's common indentation is dropped."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return place

    def read(self, path: str) -> str:
        """A file's text."""
        return (self.root / path).read_text(encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands exactly once in a file."""
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def commit(self) -> None:
        """Make it a git repository in which everything is committed."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "All of it")):
            subprocess.run(["git", *words], cwd=self.root, check=True)

    def copy(self, root: Path, cache: Cache | None = None) -> "Workspace":
        """The same in another directory, times and modes included."""
        shutil.copytree(self.root, root, symlinks=True)
        return Workspace(root, cache or self.cache, dict(self.variables))

    # --- running -------------------------------------------------------------------------------

    def environment(self, given: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """What a run sees: this process's variables less CI's, nox's and pytest's, plus ours."""
        found: dict[str, str | None] = {
            name: value for name, value in os.environ.items() if not _NOT_PASSED.match(name)
        }
        found |= {"MPFORGE_CACHE": str(self.cache.root), "MPFORGE_LOCKED": "0", "NO_COLOR": "1"}
        found |= {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
        merged = {**found, **self.variables, **(given or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def nox(self, *words: str, env: Mapping[str, str | None] | None = None) -> Run:
        """Run nox to its end: ``nox("build-aarch64")`` selects, words with a dash are options."""
        with self.started("nox", *_selecting(words), env=env) as running:
            return running.end()

    def mpforge(self, *words: str, env: Mapping[str, str | None] | None = None) -> Run:
        """Run mpforge to its end."""
        with self.started("mpforge", *words, env=env) as running:
            return running.end()

    def json(self, *words: str) -> Any:
        """What an mpforge command prints as JSON; it must end with 0."""
        with (
            tempfile.TemporaryFile() as said,
            self.started("mpforge", *words, stderr=said.fileno()) as running,
        ):
            done = running.end()
            said.seek(0)
            assert done.code == 0, f"{words}: {done}{said.read().decode(*_LENIENT)}"
        return json.loads(done.output)

    @contextmanager
    def started(
        self,
        program: str,
        *words: str,
        env: Mapping[str, str | None] | None = None,
        stderr: int = subprocess.STDOUT,
        fresh: bool = False,
    ) -> Iterator[Running]:
        """A program that runs; it is killed if it has not ended when the block does."""
        environment = self.environment(env)
        output, writing = os.pipe()
        try:
            forked = not (fresh or self.under) and forkserver.can_start(environment)
            assert forked or not self.mortal, "a program that is started would be immortal"
            process: subprocess.Popen[bytes] | Forked
            try:
                if forked:
                    process = self._fork(program, words, environment, writing, stderr)
                else:
                    process = self._popen(program, words, environment, writing, stderr)
            finally:
                os.close(writing)
            try:
                yield Running(process, str(self.cache.root), output)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        finally:
            os.close(output)

    def _popen(
        self,
        program: str,
        words: Sequence[str],
        environment: dict[str, str],
        stdout: int,
        stderr: int,
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self.under, str(PROGRAMS / program), *words],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _fork(
        self,
        program: str,
        words: Sequence[str],
        environment: dict[str, str],
        stdout: int,
        stderr: int,
    ) -> Forked:
        return forkserver.fork(
            str(PROGRAMS / program),
            words,
            cwd=self.root,
            environment=environment,
            stdout=stdout,
            stderr=stdout if stderr == subprocess.STDOUT else stderr,
            mortal=self.mortal,
        )

    # --- what came of it -----------------------------------------------------------------------

    @property
    def dist(self) -> Path:
        """What is published."""
        return self.root / "dist"

    def published(self) -> set[str]:
        """The files in ``dist/``, hidden ones included, less the record."""
        files = (path for path in self.dist.rglob("*") if path.is_file())
        return {str(path.relative_to(self.dist)) for path in files} - {"mpforge.json"}

    def wheels(self) -> list[Path]:
        """The published wheels, sorted."""
        return sorted(self.dist.glob("*.whl"))

    def wheel(self) -> Path:
        """The only published wheel."""
        (found,) = self.wheels()
        return found

    def record(self) -> dict[str, dict[str, Any]]:
        """What ``dist/mpforge.json`` says of each file, by its path."""
        data = json.loads((self.dist / "mpforge.json").read_text(encoding="utf-8"))
        assert data["schema"] == 1
        return {entry["path"]: entry for entry in data["files"]}

    def log(self, session: str) -> str:
        """A session's log."""
        return self.read(f".mpforge/logs/{session}.log")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The last run's events of a kind, from the report."""
        lines = self.read(".mpforge/report.jsonl").splitlines()
        records = [json.loads(line) for line in lines]
        return [r for r in records if r["event"] == kind and r["run"] == records[-1]["run"]]

    def steps(self) -> list[str]:
        """The steps that the last run executed, in order."""
        return [event["step"] for event in self.events("StepStarted")]


def _selecting(words: tuple[str, ...]) -> list[str]:
    """nox's command line: session names go behind ``-s``, what follows ``--`` stays last."""
    own = words[: words.index("--")] if "--" in words else words
    names = [word for word in own if not word.startswith("-")]
    options = [word for word in own if word.startswith("-")]
    return [*options, *(["-s", *names] if names else []), *words[len(own) :]]


class Gate:
    """Where a build of ours waits: it tells its process ids, and goes on when the gate is open.

    ``python`` is a line of Python for the build. The waiting is in a child process of the build's,
    so that there is a tree of processes to be ended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._told, self._wait = folder / "told", folder / "wait"
        self._opened = folder / "opened"
        self._open_end: int | None = None
        folder.mkdir(parents=True)
        os.mkfifo(self._told)
        os.mkfifo(self._wait)
        # Open for both, so that it never reports an end while a writer is still to come.
        self._descriptor = os.open(self._told, os.O_RDWR | os.O_NONBLOCK)

    @property
    def python(self) -> str:
        """Tells, then waits; a step's is shown the place by ``show``."""
        waiting = f"import os; os.read(os.open({str(self._wait)!r}, os.O_RDONLY), 1)"
        lines = (
            "import os, subprocess, sys",
            f"child = subprocess.Popen([sys.executable, '-c', {waiting!r}])",
            "place = os.stat('/proc/self/ns/pid').st_ino",
            f"told = open({str(self._told)!r}, 'w')",
            "told.write(f'{place} {os.getpid()} {child.pid}\\n'); told.close()",
            "child.wait()",
        )
        text = "\n".join(lines)
        return f"import os; os.path.exists({str(self._opened)!r}) or exec({text!r})"

    def show(self, workspace: "Workspace") -> None:
        """Let a project's build steps see the gate, and this interpreter: its spec names them."""
        spec = workspace.read("multiplatform.toml")
        # As directories of headers: these are mounted, but not part of the key.
        named = f'GATE = "-I{self.folder} -I{sys.prefix} -I{sys.base_prefix}"'
        empty = "environment = {}"
        old = empty if empty in spec else "[build]"
        new = f"{'' if old == empty else '[build]' + chr(10)}environment = {{ {named} }}"
        workspace.write("multiplatform.toml", spec.replace(old, new, 1))

    def arrivals(self, count: int) -> list[int]:
        """Wait for so many builds; the ids of their processes, as the host knows them."""
        text, end = "", time.monotonic() + _PATIENCE
        while text.count("\n") < count:
            ready, _, _ = select.select([self._descriptor], [], [], end - time.monotonic())
            assert ready, f"only {text.count(chr(10))} of {count} builds came to the gate"
            text += os.read(self._descriptor, 4096).decode()
        found = []
        for line in text.splitlines():
            place, *processes = map(int, line.split())
            found += [_of_host(process, place) for process in processes]
        return found

    def open(self) -> None:
        """From now on nobody waits."""
        self._opened.touch()
        self._open_end = os.open(self._wait, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._open_end, b"." * 4096)  # a byte for each that waits, or comes late

    def close(self) -> None:
        """Let everybody go."""
        self._release()
        os.close(self._descriptor)
        if self._open_end is not None:
            os.close(self._open_end)

    def _release(self) -> None:
        """Who waits in ``open`` is woken by a writer's coming and going."""
        os.close(os.open(self._wait, os.O_RDWR | os.O_NONBLOCK))


def _of_host(process: int, place: int) -> int:
    """What the host calls a process of a PID namespace, which is known by its inode (pid_namespaces(7))."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "ns" / "pid").stat().st_ino == place:
                status = (path / "status").read_text()
                names = status.partition("NSpid:")[2].splitlines()[0].split()
                if int(names[-1]) == process:
                    return int(path.name)
    raise AssertionError(f"no process {process} of the namespace {place}")


def wait_until_gone(*processes: int) -> None:
    """Wait until these processes have ended; one that has been killed needs a moment for it."""
    for process in processes:
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        try:
            ready, _, _ = select.select([descriptor], [], [], 5)
            assert ready, f"process {process} still runs"
        finally:
            os.close(descriptor)
