"""Find the commands that a CI job runs before cibuildwheel and that may change the project's files."""

import re

_HARMLESS = re.compile(
    r"#|\w+=|(?:if|fi|then|else|export|echo|printf|ls|cat|pwd|df|free|which|true)\b|set [-+]|git fetch"
    r"|(?:sudo\s+)?(?:apt|apt-get|dnf|yum|apk|brew|choco|snap|docker|podman)\b"
    r"|(?:\S*python[\d.]*\s+-m\s+)?pip[\d.]*\s|pipx?\s|uv\s+(?:pip|tool|sync|python)\b"
    r"|\S*python[\d.]*\s+(?:-V|--version|-c)"
)


def prepares(script: str) -> str | None:
    """Return the first command of a script that may write files of the project; None if there is none."""
    joined = re.sub(r"\s*\\\r?\n\s*", " ", script)
    lines = (line.strip() for line in joined.splitlines())
    return next((line for line in lines if line and not _HARMLESS.match(line)), None)
