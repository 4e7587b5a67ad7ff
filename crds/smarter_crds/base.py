"""What all models of the API share: naming, immutability, cross-field rules, object metadata, conditions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

GROUP = "smarter.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

ConditionStatus = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Rule:
    """A rule over several fields, said once for the API server (CEL) and once for Python."""

    cel: str
    message: str
    holds: Callable[[Any], bool]


class ApiModel(BaseModel):
    """A part of a resource: snake_case in Python, camelCase in YAML, never changed in place."""

    # The API server drops unknown fields itself, and "forbid" would put `additionalProperties: false` into the
    # CRD, which Kubernetes refuses beside `properties`; an older operator must also survive a newer resource.
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obeys_its_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [{"rule": rule.cel, "message": rule.message} for rule in cls.rules]
        return schema


class Metadata(ApiModel):
    """The part of an object's metadata that we read; the API server has validated it."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0


class Condition(ApiModel):
    """One observation of a resource, in the shape of Kubernetes' own conditions."""

    # A reader forgives what a writer must not leave out.
    model_config = ConfigDict(
        json_schema_extra={"required": ["type", "status", "reason", "message", "lastTransitionTime"]}
    )

    type: str = Field(
        min_length=1,
        max_length=316,
        description="What was observed, for example `Ready`.",
    )
    status: ConditionStatus = Field(description="Whether it holds: `True`, `False` or `Unknown`.")
    reason: str = Field(max_length=1024, description="Why, as one CamelCase word that programs may rely on.")
    message: str = Field(max_length=32768, description="Why, as a sentence for people that says the way out.")
    observed_generation: int = Field(0, ge=0, description="The `metadata.generation` that this speaks of.")
    last_transition_time: datetime | None = Field(None, description="When `status` last changed.")
