"""Parse entries of ``[build] tools``: a program's name and, optionally, its versions."""

import contextlib
import re

from mpforge.formats.requirements import specifier

_TOOL = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9+])?)\s*((?:[<>=!~].*)?)")


def parse_tool(text: str) -> tuple[str, str]:
    """Return the name and the version specifier (PEP 440, may be empty) of ``"cmake>=3.28"``.

    Names are those of programs (``g++``, ``pkg-config``). Raises ``ValueError`` with what was expected.
    """
    match = _TOOL.fullmatch(text)
    if match is not None:
        with contextlib.suppress(ValueError):
            return match[1], str(specifier(match[2]))
    raise ValueError(
        "expected the name of a program and perhaps its versions, such as "
        f'"nasm" or "cmake>=3.28", got "{text}"'
    )
