"""The JSON schema for editors agrees with the models and with the committed file."""

from pathlib import Path

from mpforge.spec.schema import json_schema, schema_text

COMMITTED = Path(__file__).parents[2] / "docs" / "schema.json"


def test_the_committed_schema_is_the_generated_one() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema_text()


def test_keys_are_written_with_dashes_and_described() -> None:
    build = json_schema()["$defs"]["BuildOptions"]
    assert "target-requires" in build["properties"]
    assert not any("_" in key for key in build["properties"])
    assert all("description" in key for key in build["properties"].values())
    assert build["additionalProperties"] is False


def test_defaults_are_written_as_a_user_writes_them() -> None:
    tables = json_schema()["$defs"]
    assert tables["BuildOptions"]["properties"]["timeout"]["default"] == "2h"
    assert tables["TestOptions"]["properties"]["timeout"]["default"] == "30m"


def test_only_the_schemas_version_is_required() -> None:
    assert json_schema()["required"] == ["schema"]
