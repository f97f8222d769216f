"""Add a call of cibuildwheel to what was found: as a run, or with the reason why it is none for Linux."""

from collections.abc import Mapping

from mpforge.migrate.ci.expressions import Unknown
from mpforge.migrate.ci.runners import Runner
from mpforge.migrate.cibuildwheel.options import Setting
from mpforge.migrate.cibuildwheel.versions import NEWEST, Version
from mpforge.migrate.run import Found, Run


def add_run(
    found: Found,
    *,
    where: str,
    variables: Mapping[str, Setting],
    inputs: Mapping[str, Setting],
    runner: Runner,
    version: Version | None,
    publishes: bool,
) -> None:
    """Add one call with the variables and inputs that it gets."""
    settings = {**inputs, **variables}
    for setting in settings.values():
        found.settings[setting] = None
    reason = _elsewhere(variables, inputs, runner)
    if reason:
        skip(found, settings, reason)
        return
    found.runs.append(
        Run(
            where=where,
            version=version or NEWEST,
            version_known=version is not None,
            machines=runner.machines,
            variables=_known(variables),
            inputs=_known(inputs),
            lists="print-build-identifiers" in inputs,
            publishes=publishes,
            unresolved=tuple(s for s in settings.values() if isinstance(s.value, Unknown)),
        )
    )


def skip(found: Found, settings: Mapping[str, Setting], reason: str) -> None:
    """Note why settings reach no run for Linux."""
    for setting in settings.values():
        found.notes.setdefault(setting, reason)


def _elsewhere(
    variables: Mapping[str, Setting], inputs: Mapping[str, Setting], runner: Runner
) -> str | None:
    """Return why a call builds nothing for Linux; None if it does."""
    platform = inputs.get("platform") or variables.get("CIBW_PLATFORM")
    known = platform is not None and not isinstance(platform.value, Unknown)
    wanted = str(platform.value) if platform is not None and known else ""
    if wanted not in ("", "auto", "linux"):
        return f"the job builds for {wanted}"
    if runner.other and wanted != "linux":
        return f"the job runs on {runner.other}"
    only = inputs.get("only")
    text = only.value if only is not None else None
    if isinstance(text, str) and text and "linux" not in text:
        return f"the job builds {text}"
    return None


def _known(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    return {name: s for name, s in settings.items() if not isinstance(s.value, Unknown)}
