"""What the status of every kind but Chatbot and HostClaim has in common."""

from pydantic import Field

from smarter_crds.base import ApiModel, Condition
from smarter_crds.fields import MapByType

ConditionList = MapByType[Condition]


class SharedStatus(ApiModel):
    """Status of a resource that Chatbots use."""

    observed_generation: int = Field(0, ge=0, description="The `metadata.generation` that this status speaks of.")
    used_by: int = Field(
        0, ge=0, description="Number of Chatbots that use this resource, directly or through a Plugin."
    )
    conditions: ConditionList = Field(
        (), max_length=16, description="What was observed: `Ready` sums up the others, `Accepted` judges the spec."
    )


class TypedStatus(SharedStatus):
    """Status of a resource of which there are several types."""

    type: str | None = Field(None, max_length=63, description="Type of the resource.")
