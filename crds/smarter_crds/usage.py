"""The usage record: what is noted of every answer, for whoever accounts for it. It holds nothing that was said."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.runtime_config import BotIdentity

UsageStatus = Literal["Complete", "Length", "Filtered", "Stopped", "Failed", "Lost"]
UsageSource = Literal["Provider", "Estimated"]


class ToolUsage(ApiModel):
    """How often one tool was called for an answer."""

    name: str = Field(description="Name of the plugin or function; `unknown` for what the model made up.")
    calls: int = Field(description="Calls, the failed ones included.")
    errors: int = Field(0, description="Calls that the model was told an error of.")


class UsageRecord(ApiModel):
    """One answer, or the attempt to give one."""

    schema_version: int = Field(1, description="Rises when a reader that ignores unknown members would do harm.")
    id: str = Field(description="Id of the answer, as the client got it; a record that comes twice has the same.")
    bot: BotIdentity = Field(description="Name, namespace and UID of the Chatbot.")
    key: str = Field("", description="UID of the ApiKey that asked; empty for visitors.")
    client: str = Field("", description="Pseudonym of the visitor who asked, the same for all answers of a visitor.")
    started_at: datetime = Field(description="When the answer was begun.")
    duration_ms: int = Field(0, description="Milliseconds from then to the end of the answer.")
    first_token_ms: int | None = Field(
        None, description="Milliseconds to the first piece of text; null: there was none."
    )
    provider: str = Field("", description="Name of the Provider that was asked last.")
    model: str = Field("", description="Model that was asked last.")
    rounds: int = Field(0, description="How often models were asked: once, and again after tool calls and failures.")
    input_tokens: int = Field(0, description="Tokens that models read, over all rounds.")
    output_tokens: int = Field(0, description="Tokens that models wrote, over all rounds.")
    cached_input_tokens: int = Field(0, description="Those of the input tokens that providers had in their caches.")
    usage_source: UsageSource = Field(
        "Provider", description="`Estimated`: at least one round was not counted by its provider but by us."
    )
    cost_usd: str | None = Field(None, description="Cost in USD as a decimal string; null: a price is not known.")
    tools: tuple[ToolUsage, ...] = Field((), description="Tools that were called, by name.")
    stream: bool = Field(False, description="Whether the client asked for a stream.")
    status: UsageStatus = Field(
        "Complete",
        description="`Complete`; `Length`: cut at the limit of tokens; `Filtered`: ended by a content filter; "
        "`Stopped`: the client went away; `Failed`: no answer, or only a part; `Lost`: the process ended meanwhile.",
    )
    reason: str = Field("", description="With `Failed`, the code of the error that the client was told.")
