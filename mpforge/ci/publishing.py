"""The shell commands of a release job, the same on every service.

The ``dist/`` of each build and test job is in ``.mpforge/incoming/JOB/``. `mpforge release` takes what their
records name. Wheels of cibuildwheel have no record: then all files at the top of these directories are
uploaded. Several jobs may have made the same sdist or pure wheel, which must be the same bytes.
"""

from mpforge.ci.pins import pins
from mpforge.ci.pipeline import Pipeline

_INCOMING = ".mpforge/incoming/*"
_COLLECT = (
    "mkdir -p dist",
    f"for file in {_INCOMING}/*.whl {_INCOMING}/*.tar.gz; do",
    '  if [ -e "dist/${file##*/}" ]; then cmp "$file" "dist/${file##*/}"',
    '  elif [ -e "$file" ]; then cp "$file" dist/; fi',
    "done",
    "ls -l dist",
)
_ATTEST = (
    f"pip install --quiet {pins()['pypi-attestations']}",
    "find dist -maxdepth 1 \\( -name '*.whl' -o -name '*.tar.gz' \\) -exec pypi-attestations sign {} +",
)
_PUBLISH = "uv publish --trusted-publishing always dist/*"


def commands(pipeline: Pipeline, *, identity: bool = False) -> tuple[str, ...]:
    """Return the lines that upload what a pipeline has made.

    With ``identity`` the service gives the job one that PyPI and Sigstore trust, and files for PyPI get
    attestations (PEP 740), which uv uploads with them. Attestations are public: a private index gets none.
    """
    attest = _ATTEST if identity and pipeline.on_pypi else ()
    if pipeline.others:
        return (*_COLLECT, *attest, _PUBLISH)
    allowed = " --allow-untested" if pipeline.has_static_tests else ""
    release = f"mpforge release{pipeline.spec}"
    collect = (f"{release} --dry-run --from {_INCOMING}{allowed}", *attest) if attest else ()
    return (*collect, f"{release} --from {_INCOMING}{allowed}")
