"""The parameters of a plugin's tool: what the model, or the signed identity, fills in."""

from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Rule
from smarter_crds.fields import MapByName, RequiredText

ParameterType = Literal["String", "Integer", "Number", "Boolean", "Array", "Object"]
ParameterName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ParameterValue = Annotated[str, Field(max_length=1024)]


class ValueFrom(ApiModel):
    """A value that the model neither sees nor sets."""

    claim: RequiredText = Field(
        description="Claim of the end user's signed identity that gives the value; without it the tool is not offered."
    )


class Parameter(ApiModel):
    """One parameter of the tool."""

    rules = (
        Rule(
            cel="has(self.description) || has(self.valueFrom)",
            message="a parameter needs a `description`, for the model reads it; only one with `valueFrom` can do "
            "without",
            holds=lambda parameter: parameter.description is not None or parameter.value_from is not None,
        ),
    )

    name: ParameterName = Field(description="Name of the parameter.")
    type: ParameterType = Field(description="Type of the value.")
    description: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="What the parameter means, for the model; required without `valueFrom`.",
    )
    required: bool | None = Field(None, description="Whether the model must give a value. Default: false.")
    enum: tuple[ParameterValue, ...] = Field(
        (),
        max_length=100,
        description="The only values allowed, written as strings and read by the parameter's type. Default: any value.",
    )
    default: ParameterValue | None = Field(
        None, description="Value if none is given, written as a string and read by the parameter's type. Default: none."
    )
    value_from: ValueFrom | None = Field(
        None, description="Where the value comes from, if not from the model. Default: from the model."
    )


class TestValue(ApiModel):
    """A value for trying a plugin out."""

    # Keeps pytest from taking the class for a test.
    __test__ = False

    name: ParameterName = Field(description="Name of the parameter.")
    value: ParameterValue = Field(description="The value, written as a string and read by the parameter's type.")


ParameterList = MapByName[Parameter]
