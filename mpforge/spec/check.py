"""Everything wrong with a spec whose shape is right: the semantic checks, all of them.

Each returns findings with paths and never raises. Nothing here asks whether this version of
mpforge, or this host, can build what is asked: that is the compiler's business.
"""

from collections.abc import Iterator

from mpforge.spec.check_globs import check_globs
from mpforge.spec.check_names import check_names
from mpforge.spec.check_options import check_options
from mpforge.spec.check_values import check_values
from mpforge.spec.finding import Finding
from mpforge.spec.model import Spec

# With one of these, the words that globs match are not what was meant.
_SPOILS_WORDS = {"unknown-python", "unknown-target", "missing-key"}


def check(spec: Spec) -> tuple[Finding, ...]:
    """Every semantic problem and warning of ``spec``, each once."""
    return tuple(dict.fromkeys(_all(spec)))


def _all(spec: Spec) -> Iterator[Finding]:
    names = tuple(check_names(spec))
    yield from names
    yield from check_values(spec)
    yield from check_options(spec)
    if not any(finding.code in _SPOILS_WORDS for finding in names):
        yield from check_globs(spec)
