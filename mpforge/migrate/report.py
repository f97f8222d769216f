"""Print what ``init`` did: a table of the wheels before and now, and the account of every option."""

from collections.abc import Iterator, Mapping, Sequence

from mpforge.migrate.account import Entry
from mpforge.migrate.cibuildwheel.versions import version_text
from mpforge.migrate.initial_spec import InitialSpec
from mpforge.platforms import python_words


def summary(initial: InitialSpec, name: str) -> str:
    """Return the summary of a written spec: its wheels, the differences, how options were translated."""
    count = len(initial.wheels.leaves)
    lines = [f"wrote {name}: {_plural(count, 'wheel')} for {', '.join(initial.targets)}"]
    lines += [f"note: {place + ': ' if place else ''}{text}" for place, text in initial.problems]
    lines += _table(initial)
    lines += _account(initial)
    return "\n".join(lines)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


# --- the wheels -------------------------------------------------------------------------------


def _table(initial: InitialSpec) -> Iterator[str]:
    wheels = initial.wheels
    before: dict[str, list[str]] = {}
    for wheel in wheels.all:
        before.setdefault(wheel.target, []).append(wheel.python)
    versions = {version_text(run.version) for run in initial.runs} or {"by default"}
    head = f"cibuildwheel {', '.join(sorted(versions))}"
    rows = [("target", head, "mpforge")]
    for target, pythons in before.items():
        now = wheels.matrix.get(target, ())
        same = sorted(now) == sorted(pythons)
        rows.append((target, _words(pythons), "the same" if same else _words(now) or "none"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for target, theirs, ours in rows:
        yield f"  {target:{widths[0]}}  {theirs:{widths[1]}}  {ours}"
    reasons: dict[str, list[str]] = {}
    for wheel, reason in wheels.left_out.items():
        reasons.setdefault(reason, []).append(wheel.identifier)
    for reason, identifiers in reasons.items():
        yield f"  not built: {_some(identifiers)}: {reason}"
    for where, differing in wheels.differing.items():
        names = _some([wheel.identifier for wheel in differing])
        yield f"  {where} builds {names} with other options, which are not used"


def _some(names: Sequence[str]) -> str:
    shown = list(dict.fromkeys(names))
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")


def _words(pythons: Sequence[str]) -> str:
    """Return Pythons with runs of versions joined: ``cp39-cp314 cp314t``."""
    order = [*python_words.known(), *sorted(set(pythons) - set(python_words.known()))]
    positions = sorted({order.index(word) for word in pythons})
    groups: list[list[int]] = []
    for position in positions:
        follows = groups and position == groups[-1][-1] + 1
        if follows and _family(order[position]) == _family(order[position - 1]):
            groups[-1].append(position)
        else:
            groups.append([position])
    return " ".join(order[g[0]] if len(g) == 1 else f"{order[g[0]]}-{order[g[-1]]}" for g in groups)


def _family(word: str) -> tuple[str, bool]:
    return word[:2], word.endswith("t")


# --- the options ------------------------------------------------------------------------------

_TITLES: Mapping[str, str] = {
    "translated": "translated",
    "not needed": "not needed",
    "refused": "not translated (also listed at the end of the file)",
}


def _account(initial: InitialSpec) -> Iterator[str]:
    entries = list(initial.account.entries())
    for outcome, title in _TITLES.items():
        chosen = [entry for entry in entries if entry.outcome == outcome]
        if chosen or (outcome == "refused" and initial.remarks):
            yield f"{title}:"
        yield from (f"  {_line(entry)}" for entry in chosen)
        if outcome == "refused":
            yield from (f"  {remark.key}: {remark.reason}" for remark in initial.remarks)


def _line(entry: Entry) -> str:
    arrow = " -> " if entry.outcome == "translated" else ": "
    return f"{entry.setting.place} {entry.setting.name}{arrow}{' '.join(entry.text.split())}"
