"""Show a run as one HTML page: a timeline, what ran and what was cached and why, files, tests, logs."""

from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from mpforge.reports.console import duration, size
from mpforge.reports.html_page import page, table, tag
from mpforge.reports.journal import summary
from mpforge.reports.run_report import RunReport, Session, Work, durations

_COLOURS = {
    "done": "good",
    "cached": "good",
    "failed": "bad",
    "interrupted": "bad",
    "unfinished": "bad",
    "checked": "some",
}


def run_page(report: RunReport) -> str:
    """Return the page of a run."""
    begun, ended = durations(report.sessions)
    moment = datetime.fromtimestamp(begun, UTC).strftime("%Y-%m-%d %H:%M UTC")
    chosen = [tag("li", tag("b", target), f": {why}") for target, why in report.chosen.items()]
    return page(
        f"mpforge: {report.spec}",
        tag("p", f"{moment}, {duration(ended - begun)}: {summary(report.outcomes)}"),
        tag("ul", *chosen) if chosen else None,
        tag("h2", "Timeline"),
        *(_row(session, begun, max(ended - begun, 0.001)) for session in report.single),
        tag("h2", "Sessions"),
        _sessions(report),
        *_files(report),
        tag("h2", "Details"),
        *(_details(session) for session in report.single),
    )


def _colour(status: str) -> str:
    return _COLOURS.get(status, "idle")


def _row(session: Session, begun: float, whole: float) -> Element:
    """Return a session's line of the timeline; its position and width are shares of the run."""
    left = 100 * (session.begun - begun) / whole
    width = min(100 - left, 100 * session.seconds / whole)
    label = f"{session.name}: {session.status}, {duration(session.seconds)}"
    bar = tag("div", class_=f"bar {_colour(session.status)}", title=label)
    bar.set("style", f"left: {left:.2f}%; width: {width:.2f}%")
    return tag(
        "div",
        tag("div", session.name, class_="name"),
        tag("div", bar, class_="track"),
        class_="row",
    )


def _sessions(report: RunReport) -> Element:
    rows: list[list[Element | str | None]] = [
        [
            tag("a", session.name, href=f"#{session.name}"),
            tag("span", session.status, class_=_colour(session.status)),
            session.reason,
            "; ".join(session.tested),
            duration(session.seconds),
        ]
        for session in report.single
    ]
    return table(["session", "status", "", "tests", "time"], rows, numbers={4})


def _files(report: RunReport) -> list[Element]:
    """Return the files of ``dist/`` that the run wrote or found in place, with their sizes."""
    files = {file.path: (file, session) for session in report.single for file in session.files}
    if not files:
        return []
    rows: list[list[Element | str | None]] = [
        [
            tag("code", path),
            session.name,
            "written" if file.fresh else "in place",
            size(file.size) if file.size is not None else "changed since",
        ]
        for path, (file, session) in sorted(files.items())
    ]
    return [tag("h2", "Files"), table(["file", "session", "", "size"], rows, numbers={3})]


def _details(session: Session) -> Element:
    work = [_work(one) for one in session.work]
    hits: list[list[Element | str | None]] = [
        [step, "cached", tag("code", key[:12]), "", ""] for step, key in session.hits.items()
    ]
    failed = session.status in ("failed", "interrupted", "unfinished")
    parts: list[Element | None] = [
        tag(
            "summary",
            f"{session.name}: ",
            tag("span", session.reason, class_=_colour(session.status)),
        ),
        *(tag("p", f"warning: {text}", class_="some") for text in session.warnings),
        table(["step", "", "why", "time", "CPU"], hits + work, numbers={3, 4})
        if hits or work
        else None,
        tag("details", tag("summary", "log"), tag("pre", session.log)) if session.log else None,
    ]
    made = tag("details", *parts, id=session.name)
    if failed:
        made.set("open", "open")
    return made


def _work(work: Work) -> list[Element | str | None]:
    word = tag("span", "failed", class_="bad") if work.failed else "ran"
    lines = [tag("div", text) for text in work.why]
    cpu = f"{work.cpu_seconds:.1f} s" if work.cpu_seconds is not None else ""
    return [work.what, word, tag("div", *lines), duration(work.seconds), cpu]
