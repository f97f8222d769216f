"""Check globs of TARGET-PYTHON and of test sources: one that matches nothing is a mistake.

Only meaningful if the names of targets and Pythons are valid, see ``check``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from mpforge.formats.globs import Glob
from mpforge.formats.toml import Path
from mpforge.spec.finding import Finding, finding_at
from mpforge.spec.model import Spec
from mpforge.spec.options import all_levels, all_pythons, is_wheel, python_words, target_names, word
from mpforge.spec.suggest import close_to


def check_globs(spec: Spec) -> Iterator[Finding]:
    """Warn of globs that match no TARGET-PYTHON; ``skip`` is applied before ``select``."""
    everything, left = _words(spec, all_pythons), _words(spec, python_words)
    yield from _matching_nothing(("project", "skip"), spec.project.skip, everything)
    for number, override in enumerate(spec.overrides):
        yield from _matching_nothing(("overrides", number, "select"), override.select, left)


def check_test_sources(spec: Spec, files: Sequence[str]) -> Iterator[Finding]:
    """Warn of test sources in the spec that are none of the project's ``files``."""
    for level in all_levels(spec):
        given = level.test.sources if "sources" in level.test.model_fields_set else ()
        for number, glob in enumerate(given):
            if not any(map(Glob(glob).matches, files)):
                names = {name.partition("/")[0] for name in files}
                yield finding_at(
                    "nothing-matches",
                    (*level.path, "test", "sources"),
                    f'"{glob}" matches no file of the project',
                    close_to(glob, names),
                    item=number,
                    warning=True,
                )


def _words(spec: Spec, pythons: Callable[[Spec, str], tuple[str, ...]]) -> list[str]:
    return [
        word(name, python)
        for name in target_names(spec)
        for python in (pythons(spec, name) if is_wheel(spec, name) else (None,))
    ]


def _matching_nothing(path: Path, globs: tuple[str, ...], words: list[str]) -> Iterator[Finding]:
    for number, glob in enumerate(globs):
        if not any(fnmatchcase(name, glob) for name in words):
            yield finding_at(
                "nothing-matches",
                path,
                f'"{glob}" matches none of {_some(words)}',
                close_to(glob, words, 0.75) if not re.search(r"[*?\[]", glob) else None,
                item=number,
                warning=True,
            )


def _some(words: list[str]) -> str:
    more = f" and {len(words) - 4} more" if len(words) > 4 else ""
    return ", ".join(words[:4]) + more
