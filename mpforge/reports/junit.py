"""Write a run as JUnit XML, which CI services show: one test suite, one test case for each session."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mpforge.errors import ExitCode
from mpforge.reports.html_page import plain
from mpforge.reports.run_report import RunReport, Session

_IDLE = ("not-run", "checked")
_WELL = ("done", "cached")


def junit(report: RunReport) -> str:
    """Return the XML: a failed step is a failure; a host that can't, or a wrong spec, is an error."""
    cases = [_case(session) for session in report.single]
    numbers = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{sum(session.seconds for session in report.single):.3f}",
    }
    root = Element("testsuites", {"name": "mpforge", **numbers})
    suite = SubElement(root, "testsuite", {"name": report.spec, **numbers})
    suite.extend(cases)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(session: Session) -> Element:
    phase = session.end.phase if session.end is not None else "unfinished"
    attributes = {"classname": f"mpforge.{phase}", "name": session.name}
    case = Element("testcase", {**attributes, "time": f"{session.seconds:.3f}"})
    reason = plain(session.reason)
    if session.status in _IDLE:
        SubElement(case, "skipped", {"message": reason})
    elif session.status not in _WELL:
        end = session.end
        failed = end is not None and end.exit_code == ExitCode.STEP_FAILED
        kind = (end.error if end is not None else None) or session.status
        SubElement(case, "failure" if failed else "error", {"message": reason, "type": kind})
    told = [session.reason, *session.tested, *session.warnings, session.log]
    SubElement(case, "system-out").text = plain("\n".join(filter(None, told)))
    return case
