"""Evaluate GitHub's expressions, ``${{ … }}``, as far as their values are known before a job runs.

What is not known (secrets, outputs of jobs) is ``UNKNOWN``, and so is what depends on it. Syntax and
functions: "Evaluate expressions in workflows and actions" of GitHub's documentation.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any


class Unknown:
    """A value that is known only when the job runs."""

    def __repr__(self) -> str:
        return "UNKNOWN"


class Partial(Unknown):
    """A text of which parts are unknown: each is ``HOLE``."""

    def __init__(self, text: str) -> None:
        self.text = text


UNKNOWN = Unknown()
HOLE = "\x00"
_EXPRESSION = re.compile(r"\$\{\{(?P<inner>(?:'(?:[^']|'')*'|(?!\}\})[^'])*)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>0x[0-9a-fA-F]+|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | '(?P<text>(?:[^']|'')*)'
      | (?P<name>[A-Za-z_][\w-]*)
      | (?P<sign>&&|\|\||==|!=|<=|>=|[!<>()\[\].,*]))""",
    re.VERBOSE,
)
_LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_LONGEST = 20_000


def interpolated(value: Any, contexts: Mapping[str, Any]) -> Any:
    """Return a value of a workflow with its expressions evaluated.

    A text that is one expression keeps its value's type. Unknown if any part is unknown or no expression.
    """
    if not isinstance(value, str) or "${{" not in value:
        return value
    whole = _EXPRESSION.fullmatch(value.strip())
    if whole is not None:
        return evaluate(whole["inner"], contexts)
    text = with_holes(value, contexts)
    return Partial(text) if HOLE in text else text


def with_holes(text: str, contexts: Mapping[str, Any]) -> str:
    """Return a text with its expressions evaluated, each unknown one replaced by ``HOLE``."""

    def evaluated(match: re.Match[str]) -> str:
        value = evaluate(match["inner"], contexts)
        if isinstance(value, Partial):
            return value.text
        return HOLE if isinstance(value, Unknown) else as_text(value)

    return _EXPRESSION.sub(evaluated, text)


def condition(value: Any, contexts: Mapping[str, Any]) -> bool | Unknown:
    """Return the value of an ``if``, with or without ``${{ }}``; None is true."""
    if value is None:
        return True
    if isinstance(value, str):
        found = interpolated(value, contexts) if "${{" in value else evaluate(value, contexts)
    else:
        found = value
    return found if isinstance(found, Unknown) else truth(found)


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """Return an expression's value; ``UNKNOWN`` for one that is not valid, too."""
    if len(text) > _LONGEST:
        return UNKNOWN
    try:
        parser = _Parser(_tokens(text), contexts)
        found = parser.either()
        parser.end()
    except (ValueError, RecursionError):
        return UNKNOWN
    return found


def truth(value: Any) -> bool:
    """Return whether a value counts as true: not false, 0, an empty text or null."""
    return value not in (False, 0, "", None)


def as_text(value: Any) -> str:
    """Return a value as the runner writes it: ``true``, ``3.1`` for 3.10, an empty text for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.15g}"
    return (
        value
        if isinstance(value, str)
        else json.dumps(value)
        if isinstance(value, dict | list)
        else str(value)
    )


def _tokens(text: str) -> list[tuple[str, str]]:
    found, end = [], 0
    stripped = text.rstrip()
    while end < len(stripped):
        match = _TOKEN.match(stripped, end)
        if match is None:
            raise ValueError("not an expression")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        end = match.end()
    return found


class _Parser:
    """A recursive descent over tokens that evaluates as it reads."""

    def __init__(self, tokens: list[tuple[str, str]], contexts: Mapping[str, Any]) -> None:
        self.tokens, self.contexts, self.at = tokens, contexts, 0

    def end(self) -> None:
        if self.at != len(self.tokens):
            raise ValueError("not an expression")

    def _sign(self, *signs: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return None

    def _need(self, sign: str) -> None:
        if self._sign(sign) is None:
            raise ValueError("not an expression")

    def either(self) -> Any:
        left = self._both()
        while self._sign("||"):
            right = self._both()
            if isinstance(left, Unknown):
                continue
            left = left if truth(left) else right
        return left

    def _both(self) -> Any:
        left = self._equal()
        while self._sign("&&"):
            right = self._equal()
            if isinstance(left, Unknown):
                left = UNKNOWN if isinstance(right, Unknown) or truth(right) else right
            elif truth(left):
                left = right
        return left

    def _equal(self) -> Any:
        left = self._ordered()
        while sign := self._sign("==", "!="):
            left = _compared(sign, left, self._ordered())
        return left

    def _ordered(self) -> Any:
        left = self._not()
        while sign := self._sign("<", ">", "<=", ">="):
            left = _compared(sign, left, self._not())
        return left

    def _not(self) -> Any:
        if self._sign("!"):
            value = self._not()
            return value if isinstance(value, Unknown) else not truth(value)
        return self._access()

    def _access(self) -> Any:
        value = self._primary()
        while sign := self._sign(".", "["):
            if sign == ".":
                if self._sign("*"):
                    value = UNKNOWN
                    continue
                value = _member(value, self._name())
            else:
                key = self.either()
                self._need("]")
                value = _member(value, key)
        return value

    def _name(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind != "name":
            raise ValueError("not an expression")
        self.at += 1
        return text

    def _primary(self) -> Any:
        if self._sign("("):
            value = self.either()
            self._need(")")
            return value
        if self.at >= len(self.tokens):
            raise ValueError("not an expression")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return int(text, 0) if re.fullmatch(r"0x.*|[-+]?\d+", text) else float(text)
        if kind == "text":
            return text.replace("''", "'")
        if kind != "name":
            raise ValueError("not an expression")
        if text.lower() in _LITERALS:
            return _LITERALS[text.lower()]
        return (
            self._call(text.lower())
            if self._sign("(")
            else self.contexts.get(text.lower(), UNKNOWN)
        )

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._sign(")"):
            arguments.append(self.either())
            if not self._sign(","):
                self._need(")")
                break
        function = _FUNCTIONS.get(name)
        if function is None or any(isinstance(argument, Unknown) for argument in arguments):
            return UNKNOWN
        try:
            return function(*arguments)
        except (TypeError, ValueError, LookupError):
            return UNKNOWN


def _member(value: Any, key: Any) -> Any:
    """Return a member; null if it does not exist, as in GitHub's expressions. Names ignore case."""
    if isinstance(value, Unknown) or isinstance(key, Unknown):
        return UNKNOWN
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        folded = {str(name).lower(): name for name in value}
        name = folded.get(str(key).lower())
        return value[name] if name is not None else getattr(value, "otherwise", None)
    if isinstance(value, list) and isinstance(key, int | float) and 0 <= key < len(value):
        return value[int(key)]
    return None


def _compared(sign: str, left: Any, right: Any) -> Any:
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return UNKNOWN
    one, other = _comparable(left, right)
    if sign in ("==", "!="):
        return (one == other) == (sign == "==")
    try:
        return {"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[sign]
    except TypeError:
        return False


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two values as they are compared: texts without case, different types as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower(), right.lower()
    if type(left) is type(right):
        return left, right
    return _number(left), _number(right)


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_compared("==", item, what) is True for item in where)
    return as_text(what).lower() in as_text(where).lower()


def _format(text: str, *arguments: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: as_text(arguments[int(match[1])]), text)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "endswith": lambda text, end: as_text(text).lower().endswith(as_text(end).lower()),
    "format": _format,
    "join": lambda items, separator=",": separator.join(map(as_text, items)),
    "tojson": json.dumps,
    "fromjson": json.loads,
    "always": lambda: True,
    "success": lambda: True,
    "failure": lambda: False,
    "cancelled": lambda: False,
}
