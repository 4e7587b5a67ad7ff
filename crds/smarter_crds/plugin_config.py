"""Plugins in the config of a bot."""

from typing import Any, Literal

from smarter_crds.api_config import ApiConfig
from smarter_crds.base import ApiModel
from smarter_crds.model_config import ModelOverrides
from smarter_crds.sql_config import SqlConfig
from smarter_crds.tool_config import ParameterConfig

DirectiveName = Literal["Always", "SearchTerms", "Llm"]
MatchName = Literal["Words", "Substring"]


class SelectorConfig(ApiModel):
    """When a plugin takes part in a turn."""

    directive: DirectiveName
    search_terms: tuple[str, ...] = ()
    match: MatchName = "Words"


class StaticConfig(ApiModel):
    """A static plugin's data: the tool returns `data[inquiry_type]`."""

    data: dict[str, Any]


class PluginConfig(ApiModel):
    """One plugin; its name is its tool's name."""

    name: str
    type: Literal["Static", "Sql", "Api"]
    hash: str
    description: str
    selector: SelectorConfig
    system_role: str = ""
    model: ModelOverrides = ModelOverrides()
    result_max_characters: int = 16000
    static: StaticConfig | None = None
    api: ApiConfig | None = None
    sql: SqlConfig | None = None
    parameters: tuple[ParameterConfig, ...] = ()
    """What the tool is given, by the model or by a claim; a Static plugin's one parameter is not among them."""
    side_effects: Literal["None", "Write"] = "None"
    """`Write`: a call changes something, so it is never repeated."""
    confirm: Literal["Never", "Visitor"] = "Never"
    """`Visitor`: the person confirms a call with its arguments before it is made."""
