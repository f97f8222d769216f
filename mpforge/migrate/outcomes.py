"""Give the reasons why options are used by no wheel of the spec."""

from collections.abc import Mapping

from mpforge.migrate.account import Account
from mpforge.migrate.cibuildwheel.options import (
    OTHER_VARIABLES,
    PLATFORMS,
    Setting,
    kind_of,
    misfit,
    nearest_option,
    nearest_variable,
    option_of,
)
from mpforge.migrate.cibuildwheel.translation import Outcome
from mpforge.migrate.run import Found

_ELSEWHERE = "it concerns other platforms; they are not built yet"
_UNUSED = "no wheel of the spec uses it, or another place sets the option"
_INPUTS: Mapping[str, str] = {
    "output-dir": "results are always in dist/",
    "extras": "mpforge has its own tools",
    "package-dir": "it is the project's directory",
    "platform": "the spec is for Linux",
    "print-build-identifiers": "the identifiers are in the spec",
    "allow-empty": "mpforge has no equivalent",
    "debug-traceback": "mpforge has logs: `mpforge log SESSION`",
    "clean-cache": "mpforge has `mpforge cache`",
    "only": "the job builds for other platforms",
}


def explain_rest(account: Account, found: Found) -> None:
    """Record an outcome for every setting that has none."""
    for setting in account.without_outcome():
        if (keys := _of_override(account, setting)) is not None:
            account.translated([setting], keys)
            continue
        outcome, text = _variable(setting) or _noted(setting, found) or _option(setting)
        account.add([setting], outcome, text)


def _variable(setting: Setting) -> tuple[Outcome, str] | None:
    """Return the outcome of a variable that no run for Linux reads."""
    if not setting.name.startswith("CIBW_"):
        return None
    option = option_of(setting.name)
    if option is not None:
        other = option[1] not in (None, "linux")
        return ("not needed", _ELSEWHERE) if other else None
    if setting.name in OTHER_VARIABLES:
        return "not needed", "it is for the run itself"
    near = nearest_variable(setting.name)
    hint = f"; did you mean {near}?" if near else ""
    return "refused", f"cibuildwheel has no such variable{hint}"


def _of_override(account: Account, select: Setting) -> str | None:
    """Return our keys of an override, for its ``select``; None for anything else."""
    if not (select.name.startswith("overrides.") and select.name.endswith(".select")):
        return None
    stem = select.name.removesuffix("select")
    used = any(
        outcome == "translated"
        for setting, outcomes in account.found.items()
        if setting.file == select.file and setting.name.startswith(stem)
        for outcome, _ in outcomes
    )
    return "overrides" if used else None


def _noted(setting: Setting, found: Found) -> tuple[Outcome, str] | None:
    note = found.notes.get(setting)
    return None if note is None else ("not needed", note)


def _option(setting: Setting) -> tuple[Outcome, str]:
    """Return the outcome of an option of the table, or of an input, that no wheel uses."""
    parts = setting.name.split(".")
    known = setting.name.startswith("CIBW_") or kind_of(parts[-1]) is not None
    if setting.name in _INPUTS:
        return "not needed", _INPUTS[setting.name]
    if parts[0] in PLATFORMS[1:]:
        return "not needed", _ELSEWHERE
    if parts[0] == "overrides" and misfit(parts[-1], setting.value) is None:
        return "not needed", "it selects no wheel of the spec, or its options are not needed"
    if not known:
        near = nearest_option(parts[-1])
        hint = f"; did you mean {near}?" if near else ""
        return "refused", f"cibuildwheel has no such option{hint}"
    if (reason := misfit(parts[-1], setting.value)) is not None:
        return "refused", reason
    empty = setting.value in ("", [], {})
    return "not needed", "it is empty" if empty else _UNUSED
