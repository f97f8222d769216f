"""What an entry of ``[build] tools`` says: a program's name and, if need be, its versions."""

import re

_TOOL = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9+])?)\s*((?:[<>=!~].*)?)")


def parse_tool(text: str) -> tuple[str, str]:
    """The name and the version specifier (PEP 440, may be empty) of ``"cmake>=3.28"``.

    Names are those of programs (``g++``, ``pkg-config``). Raises ``ValueError``.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    match = _TOOL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not the name of a program")
    try:
        return match[1], str(SpecifierSet(match[2]))
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
