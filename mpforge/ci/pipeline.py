"""The jobs of a plan on a CI service: what each one runs, on which machine and with which Pythons."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mpforge.ci.cibuildwheel import WheelRow
from mpforge.ci.matrix import jobs
from mpforge.plan.sessions import Plan
from mpforge.platforms.python_words import parse

MAIN_PYTHON = "3.13"
"""The Python that runs mpforge where no job of the plan needs one that could."""
_STRICT = "--strict"
_OLDEST_MAIN = 11  # pyproject.toml's requires-python


@dataclass(frozen=True)
class Row:
    """One job: ``pythons`` are versions for its machine, the last one runs mpforge.

    ``sessions`` are the words after ``mpforge run``; ``minutes`` is the longest time.
    """

    name: str
    target: str
    runner: str
    minutes: int
    pythons: tuple[str, ...]
    sessions: str


@dataclass(frozen=True)
class Pipeline:
    """A plan's jobs. ``others`` are jobs of cibuildwheel.

    ``ships_wheels``: there is something for a package index. ``on_pypi``: that is PyPI. ``spec`` is an option
    for each command: empty for multiplatform.toml. ``directory`` is the spec's in the repository (empty: the
    top), ``word`` what tells it from other specs there, ``file`` the path of the service's file.
    """

    build: tuple[Row, ...]
    test: tuple[Row, ...]
    ships_wheels: bool
    on_pypi: bool = True
    others: tuple[WheelRow, ...] = ()
    spec: str = ""
    directory: str = ""
    word: str = ""
    file: str = ""

    @property
    def title(self) -> str:
        """A name for the whole."""
        return f"wheels of {self.word}" if self.word else "wheels"

    @property
    def words(self) -> dict[str, str]:
        """The words of every service's template that tell one spec of a repository from another."""
        return {
            "spec": self.spec,
            "directory": self.directory,
            "folder": f"{self.directory}/" if self.directory else "",
            "file": self.file,
            "word": f"-{self.word}" if self.word else "",
            "tag": f"{self.word}-" if self.directory else "",
        }

    @property
    def has_static_tests(self) -> bool:
        """True if some tests only check files, so that what ships is not called tested."""
        return any(not row.sessions.startswith(_STRICT) for row in self.test)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all jobs that make or test something."""
        own = (row.name for row in (*self.build, *self.test))
        return (*own, *(row.name for row in self.others))


def pipeline(
    plan: Plan,
    platforms: Mapping[str, str],
    *,
    runners: Mapping[str, str],
    most_minutes: int,
) -> Pipeline:
    """Return the jobs of a plan, one for each phase and target.

    ``runners`` are a service's machines by platform.
    """
    rows: dict[str, list[Row]] = {"build": [], "test": []}
    for job in jobs(plan, dict(platforms), by="target", runners=runners):
        members = [session for name in job.sessions if (session := plan.session(name))]
        words = sorted({parse(session.python).builder for session in members if session.python})
        row = Row(
            name=f"{job.phase}-{job.target}",
            target=job.target,
            runner=job.runs_on,
            minutes=min(job.timeout, most_minutes),
            pythons=_versions(words),
            sessions=_sessions(plan, f"{job.phase}-{job.target}", job.sessions),
        )
        # A static test never counts as one, so strict runs would fail.
        if job.phase == "test" and "static" not in job.test_levels:
            row = replace(row, sessions=f"{_STRICT} {row.sessions}")
        rows[job.phase].append(row)
    return Pipeline(
        build=tuple(rows["build"]),
        test=tuple(rows["test"]),
        ships_wheels=any(s.phase == "build" and s.python for s in plan.sessions),
    )


def _sessions(plan: Plan, group: str, wanted: tuple[str, ...]) -> str:
    """Return the name of the group that has exactly the wanted sessions, else their names."""
    return group if set(wanted) == _members(plan, group) else " ".join(wanted)


def _members(plan: Plan, name: str) -> set[str]:
    """Return the sessions of a group, and of the groups in it; a session that is no group is its own."""
    session = plan.session(name)
    if session is None or not session.group:
        return {name}
    return set().union(*(_members(plan, member) for member in session.requires))


def _versions(words: list[str]) -> tuple[str, ...]:
    """Return the versions of Pythons in order, the one that can run mpforge last."""
    found = sorted((parse(word) for word in words), key=lambda word: (word.threaded, word.minor))
    able = [word for word in found if word.minor >= _OLDEST_MAIN and not word.threaded]
    main = able[-1].version if able else MAIN_PYTHON
    names = [f"{word.version}{'t' if word.threaded else ''}" for word in found]
    return (*(name for name in names if name != main), main)
