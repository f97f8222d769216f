"""The shell commands of a release job, the same on every service.

The ``dist/`` of each build and test job is in ``.mpforge/incoming/JOB/``. `mpforge release` takes what their
records name. Wheels of cibuildwheel have no record: then all files at the top of these directories are
uploaded. Several jobs may have made the same sdist or pure wheel, which must be the same bytes.
"""

from mpforge.ci.pipeline import Pipeline

_COLLECT = (
    "mkdir -p dist",
    "for file in .mpforge/incoming/*/*.whl .mpforge/incoming/*/*.tar.gz; do",
    '  if [ -e "dist/${file##*/}" ]; then cmp "$file" "dist/${file##*/}"',
    '  elif [ -e "$file" ]; then cp "$file" dist/; fi',
    "done",
    "ls -l dist",
    "uv publish --trusted-publishing always dist/*",
)


def commands(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the lines that upload what a pipeline has made."""
    if pipeline.others:
        return _COLLECT
    allowed = " --allow-untested" if pipeline.has_static_tests else ""
    return (f"mpforge release{pipeline.spec} --from .mpforge/incoming/*{allowed}",)
