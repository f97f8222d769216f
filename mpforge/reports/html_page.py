"""Write HTML pages that need nothing else: one file, no script, no address outside of it.

Elements are built as a tree, so every text is escaped when it is written, whatever a log or a package's name
contains.
"""

import re
from xml.etree.ElementTree import Element, tostring

_UNWRITABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that neither XML 1.0 nor HTML has: control characters, half pairs."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884;
--good: #2a7d4f; --bad: #c0392b; --idle: #888; --some: #b7791f; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
padding: .25rem .6rem; border-bottom: 1px solid var(--line); } td.number, th.number { text-align: right; }
td > a { white-space: nowrap; }
pre { overflow: auto; max-height: 30rem; padding: .6rem; border: 1px solid var(--line); font-size: 12px; }
details { margin: .4rem 0; } summary { cursor: pointer; } code { font-size: .9em; }
.good { color: var(--good); } .bad { color: var(--bad); } .idle { color: var(--idle); }
.some { color: var(--some); }
.row { display: flex; align-items: center; height: 1.4rem; font-size: 13px; }
.row > .name { width: 18rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: none; }
.track { position: relative; flex: 1; height: 1rem; border-left: 1px solid var(--line); }
.bar { position: absolute; height: 1rem; min-width: 2px; background: currentColor; border-radius: 2px; }
.cell { white-space: nowrap; font-size: 13px; }
"""


def plain(text: str) -> str:
    """Return a text without terminal colours and other characters that XML can't have."""
    return _UNWRITABLE.sub("", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))


def tag(name_: str, /, *content: "Element | str | None", **attributes: str) -> Element:
    """Return an element; ``class_`` is the attribute ``class``. None is no content."""
    made = Element(name_, {key.rstrip("_"): plain(value) for key, value in attributes.items()})
    last: Element | None = None
    for part in content:
        if isinstance(part, Element):
            made.append(part)
            last = part
        elif part is not None and last is None:
            made.text = (made.text or "") + plain(part)
        elif part is not None and last is not None:
            last.tail = (last.tail or "") + plain(part)
    return made


def table(
    head: "list[str]", rows: "list[list[Element | str | None]]", *, numbers: "set[int]"
) -> Element:
    """Return a table; the columns ``numbers`` are aligned to the right."""

    def cell(kind: str, column: int, content: "Element | str | None") -> Element:
        if isinstance(content, Element) and content.tag == kind:
            return content
        return tag(kind, content, class_="number") if column in numbers else tag(kind, content)

    lines = [tag("tr", *(cell("th", n, word) for n, word in enumerate(head)))]
    lines += [tag("tr", *(cell("td", n, part) for n, part in enumerate(row))) for row in rows]
    return tag("table", *lines)


def page(title: str, *content: "Element | str | None") -> str:
    """Return a whole page; its policy forbids the browser to load or run anything."""
    policy = {
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; style-src 'unsafe-inline'",
    }
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Element("meta", policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", _STYLE),
    )
    root = tag("html", head, tag("body", tag("h1", title), *content), lang="en")
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"
