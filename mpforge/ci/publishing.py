"""The shell commands of a release job, the same on every service: collect all wheels, then upload them.

The wheels of each build job are in ``.mpforge/incoming/JOB/``. Only what is at the top of that directory is
for a package index. Several jobs may have made the same sdist or pure wheel: it must be the same bytes.
"""

COLLECT = (
    "mkdir -p dist",
    "for file in .mpforge/incoming/*/*.whl .mpforge/incoming/*/*.tar.gz; do",
    '  if [ -e "dist/${file##*/}" ]; then cmp "$file" "dist/${file##*/}"',
    '  elif [ -e "$file" ]; then cp "$file" dist/; fi',
    "done",
    "ls -l dist",
)
UPLOAD = ("pip install uv", "uv publish --trusted-publishing always dist/*")
