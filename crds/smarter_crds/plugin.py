"""The Plugin resource: when it takes part in a conversation, what it adds to the prompt, and the tool it offers."""

import re
from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.chatbot import MaxTokens, Temperature
from smarter_crds.fields import MapByName, ModelName, SetOf
from smarter_crds.parameters import TestValue
from smarter_crds.references import LocalRef
from smarter_crds.status import SharedStatus
from smarter_crds.tools import Api, Sql, Static

PluginType = Literal["Static", "Sql", "Api"]
Directive = Literal["Always", "SearchTerms", "Llm"]
Match = Literal["Words", "Substring"]
SideEffects = Literal["None", "Write"]
Confirm = Literal["Never", "Visitor"]
SearchTerm = Annotated[str, Field(min_length=1, max_length=100)]

_PLUGIN_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


class Selector(ApiModel):
    """When a plugin takes part in a conversation."""

    rules = (
        Rule(
            cel="self.directive == 'SearchTerms' ? has(self.searchTerms) && size(self.searchTerms) > 0"
            " : !has(self.searchTerms)",
            message="`selector.searchTerms` is required when `selector.directive` is `SearchTerms`, and not allowed "
            "otherwise",
            holds=lambda selector: (
                len(selector.search_terms) > 0
                if selector.directive == "SearchTerms"
                else "search_terms" not in selector.model_fields_set
            ),
        ),
    )

    directive: Directive = Field(
        description="`Always`: in every turn. `SearchTerms`: once a user message contains a term. `Llm`: the tool is "
        "offered "
        "in every turn, and the `systemRole` joins once the model has called it."
    )
    search_terms: SetOf[SearchTerm] = Field(
        (),
        max_length=200,
        description="Terms that select the plugin; all words of a term must occur in one message, in any order. "
        "Required for "
        "directive `SearchTerms`, not allowed otherwise.",
    )
    match: Match | None = Field(
        None,
        description="`Words`: a term matches whole words (scripts without spaces match anywhere). `Substring`: it also "
        "matches within words. Default: `Words`.",
    )


class PromptModel(ApiModel):
    """What a selected plugin changes about the model."""

    provider_ref: LocalRef | None = Field(None, description="Provider to use instead. Default: the bot's.")
    name: ModelName | None = Field(
        None, description="Model to use instead. Default: the bot's, or the `defaultModel` of the Provider named here."
    )
    temperature: Temperature | None = Field(
        None, description="Temperature to send instead, 0 to 2. Default: the bot's."
    )
    max_tokens: MaxTokens | None = Field(
        None, description="Upper limit of an answer's length in tokens to send instead. Default: the bot's."
    )


class Prompt(ApiModel):
    """What holds while the plugin is selected."""

    system_role: str | None = Field(
        None,
        max_length=32768,
        description="Instructions added to the bot's, in the order in which plugins are selected. Default: none.",
    )
    model: PromptModel | None = Field(
        None,
        description="Changes to the bot's model; the first selected plugin that sets a member wins. Default: none.",
    )


class PluginSpec(ApiModel):
    """What a Plugin shall be."""

    rules = (
        Rule(
            cel="self.type != 'Static' || has(self.static)",
            message="`static` is required when `type` is `Static`",
            holds=lambda spec: spec.type != "Static" or spec.static is not None,
        ),
        Rule(
            cel="self.type != 'Sql' || has(self.sql)",
            message="`sql` is required when `type` is `Sql`",
            holds=lambda spec: spec.type != "Sql" or spec.sql is not None,
        ),
        Rule(
            cel="self.type != 'Api' || has(self.api)",
            message="`api` is required when `type` is `Api`",
            holds=lambda spec: spec.type != "Api" or spec.api is not None,
        ),
    )

    description: str = Field(
        min_length=1,
        max_length=1024,
        description="What the tool does and when to use it, for the model: it is the tool's description.",
    )
    selector: Selector = Field(description="When the plugin takes part in a conversation.")
    prompt: Prompt | None = Field(
        None, description="What holds while the plugin is selected. Default: nothing changes."
    )
    side_effects: SideEffects | None = Field(
        None,
        description="`Write`: a call changes something, so it is never repeated. `None`: it only reads. Default: "
        "`Write` for "
        "the methods POST, PUT, PATCH and DELETE, else `None`.",
    )
    confirm: Confirm | None = Field(
        None,
        description="`Visitor`: the visitor confirms a call with its arguments before it is made. Default: `Never`.",
    )
    result_max_characters: int | None = Field(
        None,
        ge=100,
        le=1_000_000,
        description="Longest result that the model gets, in characters; what is longer is cut visibly. Default: 16000.",
    )
    type: PluginType = Field(description="Kind of tool; the member of that name describes it.")
    static: Static | None = Field(None, description="The tool of type `Static`: fixed data.")
    sql: Sql | None = Field(None, description="The tool of type `Sql`: a query to a database.")
    api: Api | None = Field(None, description="The tool of type `Api`: an HTTP request.")
    test_values: MapByName[TestValue] = Field(
        (),
        max_length=32,
        description="Values for trying the plugin out; if given, every required parameter has one. Default: none.",
    )


class PluginStatus(SharedStatus):
    """What the operator observed of a Plugin."""

    type: str | None = Field(None, max_length=63, description="Type of the Plugin.")


class Plugin(ApiModel):
    """Knowledge or a tool that Chatbots can use."""

    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= 63 && self.metadata.name.matches('^{_PLUGIN_NAME}$')",
            message="the name of a Plugin must be a DNS label of at most 63 characters, for its tool bears the same "
            "name",
            holds=lambda plugin: (
                len(plugin.metadata.name) <= 63 and re.fullmatch(_PLUGIN_NAME, plugin.metadata.name) is not None
            ),
        ),
    )

    metadata: Metadata
    spec: PluginSpec
    status: PluginStatus = PluginStatus()
