"""Run all semantic checks on a spec whose shape is right.

Each yields findings with paths and never raises. No check depends on whether this version of
mpforge, or this host, can build the spec: the compiler decides that.
"""

from collections.abc import Iterator

from mpforge.spec.check_globs import check_globs
from mpforge.spec.check_names import check_names
from mpforge.spec.check_options import check_options
from mpforge.spec.check_values import check_values
from mpforge.spec.finding import Finding
from mpforge.spec.model import Spec

# After one of these, the names that globs match are not the intended ones.
_SPOILS_WORDS = {"unknown-python", "unknown-target", "missing-key"}


def check(spec: Spec) -> tuple[Finding, ...]:
    """Return every semantic problem and warning of ``spec``, each once."""
    return tuple(dict.fromkeys(_all(spec)))


def _all(spec: Spec) -> Iterator[Finding]:
    names = tuple(check_names(spec))
    yield from names
    yield from check_values(spec)
    yield from check_options(spec)
    if not any(finding.code in _SPOILS_WORDS for finding in names):
        yield from check_globs(spec)
