"""Run PEP 517 hooks in a build environment by its interpreter.

The caller chooses the environment variables that a hook sees: the target view is set there, and nowhere else.
Knows nothing of stores and keys.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mpforge.errors import StepFailed
from mpforge.formats.pyproject import BuildSystem, build_system
from mpforge.places.step import StepRun
from mpforge.plan.steps import Hook, Settings

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller

T = TypeVar("T")
_SCRIPT = """\
# What this step calls, for whoever does it by hand: the backend's {hook} (PEP 517).
import importlib, os, sys

os.chdir({source!r})
sys.path[:1] = {backend_path!r}
name, _, rest = {backend!r}.partition(":")
backend = importlib.import_module(name)
for part in filter(None, rest.split(".")):
    backend = getattr(backend, part)
made = backend.{hook}({output!r}, {settings!r})
print("made", os.path.join({output!r}, made))
"""


@dataclass(frozen=True)
class Backend:
    """The backend of the project in ``source``, called by ``python``.

    ``variables`` are what its hooks see in addition to the step's environment.
    """

    run: StepRun
    python: Path
    source: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def requirements(self, hook: Hook, settings: Settings) -> tuple[str, ...]:
        """Return the answer of ``get_requires_for_build_<hook>``, sorted; empty if the hook does not exist.

        In a visitor's step the backend is not called.
        """
        if self.run.visitor is not None:
            return ()
        caller = self._caller()
        ask = {
            "wheel": caller.get_requires_for_build_wheel,
            "sdist": caller.get_requires_for_build_sdist,
        }[hook]
        return tuple(sorted(set(_called(self.run, lambda: ask(_by_name(settings))))))

    def build(self, hook: Hook, output: Path, settings: Settings) -> Path:
        """Run ``build_<hook>`` and return the file that it made in ``output``."""
        given = _by_name(settings)
        caller = self._caller(by_hand=self._by_hand(f"build_{hook}", output, given))

        def make() -> str:
            if hook == "wheel":
                return caller.build_wheel(str(output), given)
            return caller.build_sdist(str(output), given)

        name = _called(self.run, make)
        if "/" in name:
            raise StepFailed(
                f"{self.run.title}: the build backend's build_{hook} returned {name!r}, which is a path",
                hint="PEP 517 requires the name of a file in the given directory",
            )
        return output / name

    def _caller(self, *, by_hand: str | None = None) -> "BuildBackendHookCaller":
        from pyproject_hooks import BuildBackendHookCaller

        system, run = self._system(), self.run

        def runner(
            cmd: Sequence[str],
            cwd: str | None = None,
            extra_environ: Mapping[str, str] | None = None,
        ) -> None:
            variables = {**(extra_environ or {}), **self.variables}
            # The interpreter, pyproject_hooks' script, the hook, and the directory where they exchange texts.
            file_arguments = (Path(cmd[1]), Path(cmd[-1]))
            directory = Path(cwd or self.source)
            run.call(
                cmd, cwd=directory, extra=variables, line=by_hand, file_arguments=file_arguments
            )
            if by_hand is not None:
                run.let_in()

        return BuildBackendHookCaller(
            str(self.source),
            system.backend,
            backend_path=list(system.backend_path) or None,
            runner=runner,
            python_executable=str(self.python),
        )

    def _system(self) -> BuildSystem:
        pyproject = self.source / "pyproject.toml"
        return build_system(pyproject.read_bytes() if pyproject.is_file() else None)

    def _by_hand(self, hook: str, output: Path, settings: dict[str, str | list[str]]) -> str:
        """Write a script that makes the same call of a hook; return the command line that runs it."""
        system, name = self._system(), f"{hook}.py"
        text = _SCRIPT.format(
            hook=hook,
            source=str(self.source),
            backend_path=[str(self.source / path) for path in system.backend_path],
            backend=system.backend,
            output=str(output),
            settings=settings,
        )
        (self.run.directory.root / name).write_text(text, encoding="utf-8")
        return f'python "$MPFORGE_STEP_DIR/{name}"'


def _by_name(settings: Settings) -> dict[str, str | list[str]]:
    return {name: values[0] if len(values) == 1 else list(values) for name, values in settings}


def _with_warnings_in_log(run: StepRun, hook: Callable[[], T]) -> T:
    """Put warnings into the log: newer pyproject_hooks repeat a backend's warnings in this process."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            return hook()
        finally:
            for warning in told:
                run.note(f"{warning.filename}:{warning.lineno}: {warning.message}")


def _called(run: StepRun, hook: Callable[[], T]) -> T:
    from pyproject_hooks import BackendUnavailable, HookMissing, UnsupportedOperation

    try:
        return _with_warnings_in_log(run, hook)
    except BackendUnavailable as error:
        raise StepFailed(
            f"{run.title}: the build backend can't be imported",
            why=str(error.traceback).strip().splitlines()[-1],
            hint="add it to build-system.requires in pyproject.toml",
        ) from None
    except (HookMissing, UnsupportedOperation) as error:
        raise StepFailed(f"{run.title}: the build backend failed: {error}") from None
