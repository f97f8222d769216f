"""Translate cibuildwheel's repair command and images into policies and options of the repair."""

import re
from collections.abc import Sequence
from typing import Any

from mpforge.migrate.cibuildwheel import syntax
from mpforge.migrate.cibuildwheel.syntax import quoted
from mpforge.migrate.cibuildwheel.translation import Translation

_RUN_TOOL = re.compile(r"(?:pipx run|uvx|uv tool run)\s+(?=[A-Za-z])")
_GIVEN_POLICY = re.compile(r"\$\{?AUDITWHEEL_PLAT\}?")
_POLICY = re.compile(r"manylinux(?:_(\d+)_(\d+)|1|2010|2014)(?!\d)")
_MUSL_POLICY = re.compile(r"musllinux_1_2(?!\d)")


def repair(found: Translation, option: str, lines: list[str]) -> None:
    """Translate ``repair-wheel-command``: a plain call of auditwheel to options, other commands as they are.

    Then they call auditwheel themselves, and its options hold for mpforge's repair of what they make, too.
    """
    parts = _parts(found, option, lines)
    own = [part for part in parts if not _calls_auditwheel(part)]
    if not "".join(lines).strip():
        found.refuse(option, "every wheel is repaired and verified, or is not shipped")
    for part in parts:
        if part not in own:
            _auditwheel(found, option, syntax.words(part)[2:])
    if own and "{dest_dir}" not in " ".join(parts):
        found.refuse(option, f"{quoted(own[0])}: it writes no wheel to {{dest_dir}}")
    elif own:
        table = found.build.setdefault("repair", {})
        table["command"] = syntax.commands(" && ".join(parts))
        found.done(option, "build.repair.command")


def check(found: Translation, option: str, lines: list[str]) -> None:
    """Translate ``audit-command``; commands for ``{abi3_wheel}`` run only for such a wheel."""
    for part in _parts(found, option, lines):
        line = part.replace("{abi3_wheel}", "{wheel}")
        if line != part:
            line = f"case {{wheel}} in *-abi3-*) {line} ;; esac"
        table = found.build.setdefault("repair", {})
        table.setdefault("check", []).extend(syntax.commands(line))
        found.done(option, "build.repair.check")


def check_requires(found: Translation, option: str, words: list[str]) -> None:
    """Translate ``audit-requires``, if a check is left that may need them."""
    if "check" in found.build.get("repair", {}):
        _require(found, option, words)
    else:
        found.drop(option, "no remaining command of audit-command needs it")


def _parts(found: Translation, option: str, lines: list[str]) -> list[str]:
    """Return the commands of a chain without what installs their requirements, and without abi3audit."""
    parts = []
    for line in lines:
        for part in filter(None, map(str.strip, line.split("&&"))):
            tool = _RUN_TOOL.match(part)
            kept = part[tool.end() :] if tool else part
            name = kept.partition(" ")[0]
            if name == "abi3audit":
                found.drop(option, "abi3audit: mpforge checks the stable ABI itself")
            elif (pip := syntax.PIP_INSTALL.fullmatch(part)) is not None:
                _require(found, option, syntax.words(pip["words"]))
            else:
                if tool and name != "auditwheel":
                    _require(found, option, [name])
                parts.append(kept)
    return parts


def _require(found: Translation, option: str, words: list[str]) -> None:
    entries, others = syntax.pip_requirements(words)
    if others:
        found.refuse(option, f"{quoted(' '.join(others))} is not a requirement")
    if entries := [entry for entry in entries if entry not in ("abi3audit", "auditwheel")]:
        table = found.build.setdefault("repair", {})
        table["requires"] = list(dict.fromkeys([*table.get("requires", ()), *entries]))
        found.done(option, "build.repair.requires")


def _calls_auditwheel(part: str) -> bool:
    """Return whether a command is a call of auditwheel and nothing else."""
    plain = _GIVEN_POLICY.sub("", part)
    return syntax.words(part)[:2] == ["auditwheel", "repair"] and not re.search(
        r"[|;&<>$`\n]", plain
    )


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
        found.build.setdefault("repair", {}).update(options)
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
    if policy is None and found.build.get("strategy") == "hybrid":
        found.build["image"] = value
        found.done(option, "build.image")
    elif policy is None:
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
