"""Parse a spec's text into a ``Spec``, or into every problem with its place.

Takes text, never reads a file; ``file`` is only the name in places. Only a TOML syntax error
ends the parse early: shape and meaning are checked together, so that all problems show at once.
No check depends on whether this version of mpforge, or this host, can build the spec: the
compiler decides that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pydantic import ValidationError

from mpforge.errors import Place, Problem, SpecInvalid, TomlInvalid
from mpforge.formats.toml import read_toml
from mpforge.spec.check_names import check_globs, check_names
from mpforge.spec.check_options import check_options
from mpforge.spec.check_values import check_values
from mpforge.spec.finding import Finding, as_written, dotted
from mpforge.spec.model import Spec
from mpforge.spec.translate import finding_of, follows, prune

# After one of these, the names that globs match are not the intended ones.
_SPOILS_WORDS = {"unknown-python", "unknown-target", "missing-key"}


def load_spec(text: str, *, file: str) -> Spec:
    """Parse ``text`` into a spec; warnings don't prevent it.

    Raises ``SpecInvalid`` with every problem, warnings included, in file order.
    """
    spec, problems = _parsed(text, file)
    if spec is None:
        raise SpecInvalid(problems)
    return spec


def find_problems(
    text: str, *, file: str, beside: Callable[[Spec], Iterable[Finding]] | None = None
) -> tuple[Problem, ...]:
    """Return every problem and warning of ``text``, in file order; empty for a valid spec.

    ``beside`` returns further findings about a valid spec, such as conflicts with the project.
    """
    return _parsed(text, file, beside)[1]


def _parsed(
    text: str, file: str, beside: Callable[[Spec], Iterable[Finding]] | None = None
) -> tuple[Spec | None, tuple[Problem, ...]]:
    """Return the spec if it is valid, and the problems and warnings of ``text``."""
    try:
        document = read_toml(text, file)
    except TomlInvalid as error:
        return None, (syntax_problem(error, file),)
    spec, findings = examine(document)
    if spec is not None and all(finding.warning for finding in findings):
        more = beside(spec) if beside is not None else ()
        return spec, _placed(text, file, document, (*findings, *more))
    return None, _placed(text, file, document, findings)


def examine(document: dict[str, object]) -> tuple[Spec | None, tuple[Finding, ...]]:
    """Return the spec, ``None`` if its shape is wrong, and its problems and warnings."""
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        shape = tuple(dict.fromkeys(finding_of(document, detail) for detail in details))
        return None, (*shape, *_meaning_despite(document, shape))
    return spec, _meaning(spec)


def _meaning(spec: Spec) -> tuple[Finding, ...]:
    """Return every semantic problem and warning of a spec whose shape is right, each once."""
    names = tuple(check_names(spec))
    spoilt = any(finding.code in _SPOILS_WORDS for finding in names)
    globs = () if spoilt else check_globs(spec)
    return tuple(dict.fromkeys((*names, *check_values(spec), *check_options(spec), *globs)))


def _meaning_despite(
    document: dict[str, object], shape: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """Return the semantic problems that are not mere consequences of ``shape``."""
    try:
        spec = Spec.model_validate(prune(document, shape))
    except ValidationError:
        return ()
    found = (replace(f, path=as_written(document, f.path)) for f in _meaning(spec))
    return tuple(finding for finding in found if not follows(finding, shape))


def _placed(
    text: str, file: str, document: dict[str, object], findings: Sequence[Finding]
) -> tuple[Problem, ...]:
    if not findings:
        return ()
    from mpforge.formats.toml_places import key_places, nearest_place

    places = key_places(text)
    problems = []
    for finding in findings:
        path = as_written(document, finding.path)
        line, column = nearest_place(places, path)
        problems.append(
            Problem(
                code=finding.code,
                message=finding.message,
                place=finding.place or Place(file, line, column),
                key=dotted(path),
                nearest=finding.nearest,
                warning=finding.warning,
            )
        )
    return tuple(
        sorted(problems, key=lambda p: (p.place.file != file, p.place.line, p.place.column))
    )


def syntax_problem(error: TomlInvalid, file: str) -> Problem:
    """Return the only problem of a spec that is not TOML."""
    return Problem("toml-syntax", f"this is not TOML: {error.what}", error.place or Place(file))
