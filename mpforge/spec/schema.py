"""Generate the spec's JSON schema for editors: dashed names, descriptions, known targets and Pythons.

Only ``mpforge check`` finds problems beyond it (names that must agree, placeholders).
"""

import json
from typing import Any

from mpforge import platforms
from mpforge.platforms import python_words
from mpforge.spec.model import Spec

_NAME = r"^[a-z][a-z0-9_]*$"
_POLICY = r"^(auto|(many|musl)linux_\d+_\d+|manylinux(1|2010|2014))$"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of ``multiplatform.toml``."""
    schema = Spec.model_json_schema(by_alias=True)
    tables = schema["$defs"]
    python = {"enum": list(python_words.known())}
    tables["Project"]["properties"]["python"]["items"] = python
    tables["Project"]["properties"]["targets"]["items"] = {
        "anyOf": [{"enum": list(platforms.well_known())}, {"type": "string", "pattern": _NAME}]
    }
    tables["BuildOptions"]["properties"]["policy"]["pattern"] = _POLICY
    for kind in tables["Target"]["properties"]["python"]["anyOf"]:
        if kind["type"] == "array":
            kind["items"] = python
    command = tables["TestOptions"]["properties"]["command"]
    command["anyOf"] = command.pop("oneOf")  # "import" is a string like any shell line
    for table in (schema, *tables.values()):
        for key in table["properties"].values():
            key.pop("title", None)
            if "$ref" in key or "$ref" in str(key.get("anyOf")):
                key.pop("default", None)  # a table's keys have defaults of their own
    for name in ("targets", "toolchains", "libraries"):
        schema["properties"][name]["propertyNames"] = {"pattern": _NAME}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "multiplatform.toml",
    }
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def schema_text() -> str:
    """Return the text of ``docs/schema.json``: indented, one newline at the end."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
