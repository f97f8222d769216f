"""A place without processes: a folder is its disk, functions are its programs.

The promises that every place keeps are at the end.
"""

import io
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mpforge.errors import RuntimeRefuses
from mpforge.places.place import NotStarted, Place
from mpforge.platforms import Platform
from mpforge.processes import Ended

TIMED_OUT = -9


@dataclass(frozen=True)
class Call:
    """A program that a place was told to run, in the words of the place."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    timeout: float | None
    log: BinaryIO


Program = Callable[[Call], int]
"""A program of a fake place, by its exit status; ``TIMED_OUT`` if it did not end in time."""


@dataclass
class FakePlace:
    """A place as a container is one: the step's directory is copied to ``disk`` and back."""

    root: Path
    disk: Path
    programs: Mapping[str, Program]
    offline: bool = True
    image: str | None = "fake"
    calls: list[Call] = field(default_factory=list)

    shares_files = False

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        return {} if cpu is None else {"FAKE_CPU": cpu}

    def to_place_paths(self, text: str) -> str:
        return text.replace(str(self.root), str(self.disk))

    def to_host_paths(self, text: str) -> str:
        return text.replace(str(self.disk), str(self.root))

    def put(self, entries: Iterable[str] | None = None) -> None:
        for name in [path.name for path in self.root.iterdir()] if entries is None else entries:
            _copy(self.root / name, self.disk / name)

    def get(self, path: Path, *, harmless: bool = False) -> None:
        del harmless
        there = Path(self.to_place_paths(str(path)))
        if not there.exists():
            raise RuntimeRefuses(f"{there} is not there")
        _copy(there, path)

    def bring_libraries(self, output: Path, platform: Platform, policy: str) -> None:
        raise NotImplementedError

    def which(self, program: str, path: str) -> str | None:
        del path
        return f"/bin/{program}" if program in self.programs else None

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        log: BinaryIO,
        timeout: float | None = None,
        file_arguments: Sequence[Path] = (),
    ) -> Ended:
        del file_arguments
        if argv[0] not in self.programs:
            raise NotStarted("No such file or directory", absent="/" not in argv[0])
        words = map(self.to_place_paths, argv)
        variables = {name: self.to_place_paths(value) for name, value in environment.items()}
        call = Call(tuple(words), variables, self.to_place_paths(str(cwd)), timeout, log)
        self.calls.append(call)
        status = self.programs[argv[0]](call)
        return Ended(status, 0.0, 0.0, timed_out=status == TIMED_OUT)

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> int:
        words = [*argv] or ["sh"]
        if words[0] not in self.programs:
            raise NotStarted("No such file or directory", absent=True)
        call = Call(tuple(words), {**environment, **secrets}, str(cwd), None, io.BytesIO())
        self.calls.append(call)
        return self.programs[words[0]](call)


def _copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, dirs_exist_ok=True)
    elif source.exists():
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, destination)


# --- what every place promises: tests/unit asks it of the fake, tests/e2e of the real ones ----------


def a_program_sees_a_file_that_was_put_and_its_output_is_in_the_log(
    place: Place, root: Path, log: BinaryIO
) -> None:
    file = root / "question"
    file.write_text("what is it?", encoding="utf-8")
    place.put()
    assert _said(place, root, ["cat", str(file)], log) == "what is it?"
    file.write_text("and now?", encoding="utf-8")
    place.put(["question"])
    assert _said(place, root, ["cat", str(file)], log) == "and now?"


def what_a_program_made_is_there_once_it_was_got(place: Place, root: Path, log: BinaryIO) -> None:
    (root / "question").write_text("text", encoding="utf-8")
    (root / "made").mkdir()
    place.put()
    _said(place, root, ["cp", str(root / "question"), str(root / "made/answer")], log)
    place.get(root / "made")
    assert (root / "made/answer").read_text(encoding="utf-8") == "text"


def paths_are_called_as_the_place_calls_them_and_back(
    place: Place, root: Path, log: BinaryIO
) -> None:
    place.put()
    said = _said(place, root, ["printenv", "WHERE"], log, WHERE=str(root / "made")).strip()
    assert said == place.to_place_paths(str(root / "made"))
    assert place.to_host_paths(said) == str(root / "made")


def an_exit_status_is_told_and_programs_are_found_by_name(
    place: Place, root: Path, log: BinaryIO
) -> None:
    place.put()
    ended = place.run(["false"], environment={"PATH": PATH}, cwd=root, log=log)
    assert (ended.returncode, ended.timed_out) == (1, False)
    assert (place.which("cat", PATH) or "").endswith("/cat")
    assert place.which("no-such-program", PATH) is None


PROMISES = (
    a_program_sees_a_file_that_was_put_and_its_output_is_in_the_log,
    what_a_program_made_is_there_once_it_was_got,
    paths_are_called_as_the_place_calls_them_and_back,
    an_exit_status_is_told_and_programs_are_found_by_name,
)
PATH = "/usr/bin:/bin"


def _said(place: Place, root: Path, argv: list[str], log: BinaryIO, **variables: str) -> str:
    begin = log.tell()
    ended = place.run(argv, environment={"PATH": PATH, **variables}, cwd=root, log=log)
    assert ended.returncode == 0, Path(log.name).read_text(encoding="utf-8")
    log.flush()
    return Path(log.name).read_bytes()[begin:].decode()
