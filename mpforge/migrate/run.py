"""A run of cibuildwheel: one call of it, on one runner, with the options and variables that it gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpforge.migrate.cibuildwheel.options import Setting
from mpforge.migrate.cibuildwheel.versions import NEWEST, Version

SELECTED_BY = ("only", "CIBW_ONLY", "CIBW_BUILD")
"""The input and variables by which a matrix hands wheels to its jobs."""


@dataclass(frozen=True)
class Run:
    """One call of cibuildwheel for Linux, as a CI file describes it.

    ``where`` is its place, for messages; empty if no CI file calls it. ``version_known``: a file pins it.
    ``machines`` are the runner's; ``inputs`` are the action's and the command line's, by name: ``only``,
    ``archs``, ``package-dir``, ``config-file``, ``enable``. ``lists``: it prints identifiers, for another
    job's matrix. ``publishes``: its file uploads wheels. ``unresolved`` are settings whose text is known only
    when the job runs.
    """

    where: str = ""
    version: Version = NEWEST
    version_known: bool = False
    machines: tuple[str, ...] = ()
    variables: Mapping[str, Setting] = field(default_factory=dict)
    inputs: Mapping[str, Setting] = field(default_factory=dict)
    lists: bool = False
    publishes: bool = False
    unresolved: tuple[Setting, ...] = ()

    @property
    def file(self) -> str:
        """Return the CI file that calls it; empty without one."""
        return self.where.rpartition(":")[0]

    @property
    def selected_late(self) -> bool:
        """True if only the job knows which wheels it builds."""
        return any(setting.name in SELECTED_BY for setting in self.unresolved)

    def text(self, name: str) -> str:
        """Return an input's text, empty if it is not given."""
        setting = self.inputs.get(name)
        return "" if setting is None or setting.value is None else str(setting.value)


@dataclass
class Found:
    """What the CI files say: runs for Linux, and every setting in them with how it was translated.

    ``settings`` are all variables and inputs; ``notes`` say why one does not reach a run for Linux, by
    setting; ``problems`` are about files or calls, as (place, text).
    """

    runs: list[Run] = field(default_factory=list)
    settings: dict[Setting, None] = field(default_factory=dict)
    notes: dict[Setting, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
