"""Read the files of all CI services that a project has."""

from fnmatch import fnmatchcase

from mpforge.errors import YamlInvalid
from mpforge.formats.yaml_text import read_yaml
from mpforge.migrate.ci.document import Document
from mpforge.migrate.ci.github import read_workflows
from mpforge.migrate.ci.other_services import read_pipeline
from mpforge.migrate.files import CI_FILES, ProjectFiles
from mpforge.migrate.run import Found

_GITHUB = ".github/"


def read_ci_files(files: ProjectFiles) -> Found:
    """Return the runs of cibuildwheel for Linux that the files describe."""
    found = Found()
    documents: dict[str, Document] = {}
    for path, text in files.texts.items():
        if any(fnmatchcase(path, glob) for glob in CI_FILES):
            try:
                documents[path] = Document(path, text, read_yaml(text, path))
            except YamlInvalid as error:
                found.problems.append((str(error.place or path), f"it is not read: {error.what}"))
    github = {path: document for path, document in documents.items() if path.startswith(_GITHUB)}
    read_workflows(github, found)
    for path, document in documents.items():
        if path not in github and "cibuildwheel" in document.text:
            read_pipeline(document, found)
    return found
