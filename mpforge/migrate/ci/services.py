"""Read the files of all CI services that a project has."""

from mpforge.errors import YamlInvalid
from mpforge.formats.yaml_text import read_yaml
from mpforge.migrate.ci.github import Workflow, read_workflows
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.run import Found

_GITHUB = ".github/workflows/"


def read_ci_files(files: ProjectFiles) -> Found:
    """Return the runs of cibuildwheel for Linux that the files describe."""
    found = Found()
    workflows = {}
    for path, text in files.texts.items():
        if path.startswith(_GITHUB):
            try:
                workflows[path] = Workflow(path, text, read_yaml(text, path))
            except YamlInvalid as error:
                place = str(error.place or path)
                found.problems.append((place, f"it is not read: {error.what}"))
    read_workflows(workflows, found)
    return found
