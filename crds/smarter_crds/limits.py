"""How much a Chatbot or a key may use: limits per time and per answer, and money."""

from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.fields import Money

# Written once for the bots' own limits and the platform's.
Tokens = Annotated[int, Field(ge=1, le=1_000_000_000_000)]
Requests = Annotated[int, Field(ge=1, le=1_000_000)]
Concurrent = Annotated[int, Field(ge=1, le=10_000)]
Characters = Annotated[int, Field(ge=1, le=1_000_000)]
ToolCalls = Annotated[int, Field(ge=0, le=100)]
SelectedPlugins = Annotated[int, Field(ge=1, le=128)]
AnswerSeconds = Annotated[int, Field(ge=1, le=3600)]

LimitMode = Literal["Enforce", "Shadow"]
Currency = Literal["USD"]
Period = Literal["Month"]


class Limits(ApiModel):
    """Bounds of one bot."""

    requests_per_minute: Requests | None = Field(
        None, description="Requests per minute to the whole bot. Default: the platform's."
    )
    requests_per_minute_per_client: Requests | None = Field(
        None,
        description="Requests per minute of one client, charged to the key or visitor and to the network prefix (IPv4 "
        "/32, "
        "IPv6 /64 and /48). Default: the platform's.",
    )
    concurrent_per_client: Concurrent | None = Field(
        None,
        description="Answers that one client may be getting at the same time. Default: the platform's.",
    )
    tokens_per_day: Tokens | None = Field(
        None,
        description="Tokens, in and out, of the whole bot per day (UTC). Default: the platform's; a Public bot needs "
        "one.",
    )
    max_prompt_characters: Characters | None = Field(
        None,
        description="Longest single message of a user, in characters. Default: the platform's, 8000.",
    )
    max_tool_calls_per_turn: ToolCalls | None = Field(
        None, description="Tool calls that the model may make for one answer. Default: the platform's, 8."
    )
    max_selected_plugins: SelectedPlugins | None = Field(
        None,
        description="Plugins that can be selected in one conversation at a time; the oldest leaves. Default: the "
        "platform's, 8.",
    )
    max_answer_seconds: AnswerSeconds | None = Field(
        None,
        description="Longest time that one answer may take, in seconds. Default: the platform's, 300.",
    )
    mode: LimitMode | None = Field(
        None,
        description="`Enforce` refuses what is above a limit; `Shadow` only counts and warns. Default: `Enforce`.",
    )


class KeyLimits(ApiModel):
    """Bounds of one key."""

    requests_per_minute: Requests | None = Field(
        None, description="Requests per minute with this key. Default: the bot's limits alone."
    )
    concurrent_per_client: Concurrent | None = Field(
        None,
        description="Answers that may be under way with this key at the same time. Default: the bot's limits alone.",
    )
    tokens_per_day: Tokens | None = Field(
        None,
        description="Tokens, in and out, with this key per day (UTC). Default: the bot's limits alone.",
    )


class Budget(ApiModel):
    """Money that may be spent on models in a period."""

    amount: Money = Field(
        description="The most that may be spent per period, as a decimal string, for example `50.00`."
    )
    currency: Currency = Field(description="Currency of the amount; prices are in `USD`.")
    period: Period = Field(description="How long the amount must last: `Month` is a calendar month in UTC.")
