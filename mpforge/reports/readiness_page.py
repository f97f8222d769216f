"""Show a survey of a project's requirements as one HTML page: packages by targets and Pythons."""

from xml.etree.ElementTree import Element

from mpforge.readiness.survey import Cell, Survey
from mpforge.reports.html_page import page, table, tag

_COLOURS = {"pure": "good", "wheel": "good", "sdist": "bad", "nothing": "bad"}


def readiness_page(found: Survey) -> str:
    """Return the page of a survey."""
    names = sorted({name for column in found.columns for name in column.cells})
    head = ["package", *(f"{column.target} {column.python}" for column in found.columns)]
    rows: list[list[Element | str | None]] = [
        [name, *(_cell(column.cells.get(name)) for column in found.columns)] for name in names
    ]
    troubles = [
        tag(
            "p",
            f"{column.target}, {column.python} can't be resolved: {column.trouble}",
            class_="bad",
        )
        for column in found.columns
        if column.trouble
    ]
    looks: list[list[Element | str | None]] = [
        [f"{name} {version}", look.verdict] for (name, version), look in sorted(found.looks.items())
    ]
    return page(
        "mpforge: readiness",
        *(
            tag("p", f"{column.target}, {column.python} ({column.policy}): ", *_sum(column.cells))
            for column in found.columns
            if not column.trouble
        ),
        *troubles,
        tag("h2", "Packages"),
        table(head, rows, numbers=set()),
        tag("h2", "Without a wheel") if looks else None,
        table(["source distribution", "what its files say"], looks, numbers=set())
        if looks
        else None,
    )


def _sum(cells: dict[str, Cell]) -> tuple[Element | str, ...]:
    blocked = [name for name, cell in cells.items() if cell.answer.blocks]
    told = f"{len(cells) - len(blocked)} of {len(cells)} packages ready"
    return (told, "; in the way: ", tag("b", ", ".join(blocked))) if blocked else (told,)


def _cell(cell: Cell | None) -> Element | str:
    if cell is None:
        return tag("span", "not needed", class_="idle")
    answer = cell.answer
    if answer.why:
        return tag("span", "no version", class_="bad", title=answer.why)
    if answer.state == "sdist" and not answer.compiled:
        return tag("span", f"{cell.package.version}: pure sdist", class_="good")
    words = {"pure": "pure", "wheel": f"since {answer.since}", "nothing": "nothing"}
    told = words.get(answer.state, f"no wheel{answer.past}")
    return tag("span", f"{cell.package.version}: {told}", class_=_COLOURS[answer.state])
