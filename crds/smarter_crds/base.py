"""What all models of the API share: naming, immutability, object metadata, conditions and references."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "smarter.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

ConditionStatus = Literal["True", "False", "Unknown"]


class ApiModel(BaseModel):
    """A part of a resource: snake_case in Python, camelCase in YAML, never changed in place."""

    # The API server drops unknown fields itself, and "forbid" would put `additionalProperties: false` into the
    # CRD, which Kubernetes refuses beside `properties`; an older operator must also survive a newer resource.
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Metadata(ApiModel):
    """The part of an object's metadata that we read; the API server has validated it."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0


class Condition(ApiModel):
    """One observation of a resource, in the shape of Kubernetes' own conditions."""

    type: str = Field(description="What was observed, for example `Ready`.")
    status: ConditionStatus = Field(description="Whether it holds: `True`, `False` or `Unknown`.")
    reason: str = Field(description="Why, as one CamelCase word that programs may rely on.")
    message: str = Field(description="Why, as a sentence for people that says the way out.")
    observed_generation: int = Field(0, description="The `metadata.generation` that this speaks of.")
    last_transition_time: datetime | None = Field(None, description="When `status` last changed.")
