"""Read the files of all CI services that a project has."""

import re
from collections.abc import Iterator
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
                why = f"mpforge can't read it, so its options are not in the spec: {error.what}"
                found.problems.append((str(error.place or path), why))
    github = {path: document for path, document in documents.items() if path.startswith(_GITHUB)}
    read_workflows(github, found)
    for path, document in documents.items():
        if path not in github and "cibuildwheel" in document.text:
            read_pipeline(document, found)
    for document in documents.values():
        found.problems += _only_mentioned(document, found)
    return found


def _only_mentioned(document: Document, found: Found) -> Iterator[tuple[str, str]]:
    """Yield the variables of cibuildwheel that a file names where they are not read."""
    read = {setting.name for setting in found.settings if setting.file == document.path}
    for number, line in enumerate(document.text.splitlines(), 1):
        for name in re.findall(r"\bCIBW_[A-Z0-9_]+\b", line.split("#", 1)[0]):
            if name not in read:
                read.add(name)
                yield (
                    f"{document.path}:{number}",
                    f"{name} is named in a part of the file that mpforge does not read",
                )
