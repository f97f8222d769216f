"""PEP 517 hooks, run in a build environment by its interpreter.

The environment variables that a hook sees are the caller's business: this is where the target view is
put, and nowhere else. Knows nothing of stores and keys.
"""

import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mpforge.errors import StepFailed
from mpforge.runners.step import StepRun

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller

T = TypeVar("T")
LEGACY = "setuptools.build_meta:__legacy__"


@dataclass(frozen=True)
class BuildSystem:
    """The ``[build-system]`` table with PEP 517's and PEP 518's defaults."""

    backend: str = LEGACY
    requires: tuple[str, ...] = ("setuptools >= 40.8.0",)
    backend_path: tuple[str, ...] = ()


def build_system(pyproject: str | None) -> BuildSystem:
    """Read it from pyproject.toml's text (None: there is no such file).

    Raises ``tomllib.TOMLDecodeError``.
    """
    table = tomllib.loads(pyproject).get("build-system") if pyproject is not None else None
    if table is None:
        return BuildSystem()
    return BuildSystem(
        backend=table.get("build-backend", LEGACY),
        requires=tuple(table.get("requires", ())),
        backend_path=tuple(table.get("backend-path", ())),
    )


def _caller(
    run: StepRun, python: Path, source: Path, extra: Mapping[str, str]
) -> "BuildBackendHookCaller":
    from pyproject_hooks import BuildBackendHookCaller

    pyproject = source / "pyproject.toml"
    system = build_system(pyproject.read_text("utf-8") if pyproject.is_file() else None)

    def runner(
        cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        run.call(cmd, cwd=Path(cwd or source), extra={**(extra_environ or {}), **extra})

    return BuildBackendHookCaller(
        str(source),
        system.backend,
        backend_path=list(system.backend_path) or None,
        runner=runner,
        python_executable=str(python),
    )


def _settings(pairs: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, str | list[str]]:
    return {name: values[0] if len(values) == 1 else list(values) for name, values in pairs}


def requirements(
    run: StepRun,
    hook: str,
    *,
    python: Path,
    source: Path,
    settings: Sequence[tuple[str, tuple[str, ...]]],
    extra: Mapping[str, str],
) -> tuple[str, ...]:
    """What ``get_requires_for_build_<hook>`` answers, sorted; nothing where there is no such hook."""
    caller = _caller(run, python, source, extra)
    ask = {
        "wheel": caller.get_requires_for_build_wheel,
        "sdist": caller.get_requires_for_build_sdist,
    }[hook]
    return tuple(sorted(set(_called(run, lambda: ask(_settings(settings))))))


def build(
    run: StepRun,
    hook: str,
    *,
    python: Path,
    source: Path,
    output: Path,
    settings: Sequence[tuple[str, tuple[str, ...]]],
    extra: Mapping[str, str],
) -> Path:
    """Run ``build_<hook>`` and return the file that it made in ``output``."""
    caller = _caller(run, python, source, extra)
    given = _settings(settings)

    def make() -> str:
        if hook == "wheel":
            return caller.build_wheel(str(output), given)
        return caller.build_sdist(str(output), given)

    return output / _called(run, make)


def _with_warnings_in_log(run: StepRun, hook: Callable[[], T]) -> T:
    """Newer pyproject_hooks repeat a backend's warnings in this process: they belong to the log."""
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
            hint="is it named in build-system.requires?",
        ) from None
    except (HookMissing, UnsupportedOperation) as error:
        raise StepFailed(f"{run.title}: the build backend refuses: {error}") from None
