"""Compute the digest of the options that distinguish shipped files."""

import hashlib
import json

from mpforge.compiler.availability import is_zig
from mpforge.plan.facts import ProjectFacts
from mpforge.spec import recipes
from mpforge.spec.library_tables import Library
from mpforge.spec.model import BuildOptions, Spec
from mpforge.spec.options import with_needs

# Options that say how or where to build, not what: they don't distinguish shipped files. Of the
# tools only zig's version is one of these: see ``options_digest``.
_NOT_OF_THE_RESULT = {
    *("strategy", "toolchain", "image", "runtime", "timeout", "tools", "frontend"),
    "base_programs",
}


def options_digest(spec: Spec, project: ProjectFacts, build: BuildOptions) -> str:
    """Return the sha256 of the options that decide a shipped file's content, not how it is made."""
    # Not mode="json": pydantic 2 warns about its own lists where a command may be text or words.
    data = build.model_dump(exclude=_NOT_OF_THE_RESULT)
    tools = [tool for tool in build.tools if not is_zig(tool)]
    if tools:
        data["tools"] = tools  # a build script may behave differently when it finds one
    if build.libraries:
        table = recipes.libraries(spec)
        named = with_needs(build.libraries, table)
        data["libraries"] = {name: _content_of(table[name]) for name in named}
    data["requires"] = sorted(project.requirements(build.requires))
    data["constraints"] = project.constraints(build.constraints, build.requires)
    told = json.dumps([data, spec.sdist.model_dump()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _content_of(library: Library) -> dict[str, object]:
    """Return a library's options, less the addresses of its source, which its digest identifies."""
    return library.model_dump(exclude={"source": {"url"}})
