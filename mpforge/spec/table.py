"""The base of every table of the spec."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """The base of every table of the spec."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        protected_namespaces=(),
    )
