"""Translate cibuildwheel's repair command and images into policies and options of the repair."""

import re
from collections.abc import Sequence
from typing import Any

from mpforge.migrate.cibuildwheel import syntax
from mpforge.migrate.cibuildwheel.syntax import quoted
from mpforge.migrate.cibuildwheel.translation import Translation

_POLICY = re.compile(r"manylinux(?:_(\d+)_(\d+)|1|2010|2014)(?!\d)")
_MUSL_POLICY = re.compile(r"musllinux_1_2(?!\d)")


def repair(found: Translation, option: str, lines: list[str]) -> None:
    """Translate the options of auditwheel in ``repair-wheel-command``; refuse other commands."""
    parts = [part.strip() for line in lines for part in line.split("&&") if part.strip()]
    if not parts:
        found.refuse(option, "every wheel is repaired and verified, or is not shipped")
        return
    for part in parts:
        argv = syntax.words(part)
        if argv[:2] == ["auditwheel", "repair"] and "|" not in argv:
            _auditwheel(found, option, argv[2:])
        else:
            found.refuse(option, f"{quoted(part)}: mpforge repairs and verifies every wheel itself")


def _auditwheel(found: Translation, option: str, arguments: Sequence[str]) -> None:
    options: dict[str, Any] = {}
    rest = iter(arguments)
    for word in rest:
        name, equals, text = word.partition("=")
        if name in ("-w", "--wheel-dir") or word == "{wheel}":
            _ = text if equals or word == "{wheel}" else next(rest, "")
        elif name == "--exclude":
            options.setdefault("exclude", []).append(text if equals else next(rest, ""))
        elif name == "--strip":
            options["strip"] = True
        elif name == "--plat":
            _platform(found, option, text if equals else next(rest, ""))
        else:
            options.setdefault("args", []).append(word)
    if options:
        found.build["repair"] = options
        found.done(option, "build.repair")
    else:
        found.drop(option, "mpforge runs `auditwheel repair` on every wheel")


def _platform(found: Translation, option: str, value: str) -> None:
    policy = _policy(value)
    if policy is None:
        found.refuse(option, f"--plat {value}: the tag is the lowest that the audit proves")
    else:
        found.build["policy"] = policy
        found.done(option, "build.policy")


def use_image(found: Translation, option: str, value: str) -> None:
    """Translate an image to the policy in its name."""
    if option.startswith("musllinux-"):
        if _MUSL_POLICY.search(value):
            found.drop(option, "wheels for musl are always built for musllinux_1_2")
        else:
            found.refuse(option, f"{quoted(value)}: wheels for musl are built for musllinux_1_2")
        return
    policy = _policy(value)
    if policy is None:
        found.refuse(option, f'{quoted(value)}: with strategy = "hybrid" it is [build] image')
    else:
        found.build["policy"] = policy
        found.done(option, "build.policy")


def _policy(text: str) -> str | None:
    """Return the policy in an image's or a platform's name; at least manylinux_2_17."""
    match = _POLICY.search(text)
    if match is None or ("/" in text and "pypa/" not in text):
        return None
    if match[1] is None or (int(match[1]), int(match[2])) < (2, 17):
        return "manylinux_2_17"
    return match.group()
