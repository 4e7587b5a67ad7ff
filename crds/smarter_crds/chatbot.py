"""The Chatbot resource: what a user asks for. What the operator answers is in `chatbot_status`."""

import re
from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.access import Access
from smarter_crds.app import App
from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.chatbot_status import ChatbotStatus
from smarter_crds.exposure import Exposure
from smarter_crds.fields import ModelName, SetOf, ShortText
from smarter_crds.limits import Budget, Limits
from smarter_crds.references import ConfigMapSource, LocalRef, PluginRef
from smarter_crds.workload import NetworkPolicy, PodTemplate, Resources, RuntimeOverride, Scaling

State = Literal["Active", "Maintenance", "Offline"]
Effort = Literal["None", "Minimal", "Low", "Medium", "High"]
BuiltInFunction = Literal["DateCalculator", "Calculator", "CurrentWeather"]

Temperature = Annotated[float, Field(ge=0, le=2)]
MaxTokens = Annotated[int, Field(ge=1, le=10_000_000)]

MAX_CHATBOT_NAME = 52
MAX_PROMPT_CHARACTERS = 32768
_CHATBOT_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"


class ModelParameters(ApiModel):
    """A model of a provider, and the parameters sent with each request."""

    provider_ref: LocalRef = Field(description="Provider that offers the model.")
    name: ModelName | None = Field(
        None, description="The model as its provider names it. Default: the Provider's `defaultModel`."
    )
    temperature: Temperature | None = Field(
        None,
        description="How freely the model chooses its words, 0 to 2; 0 is a value. Default: not sent, for many models "
        "refuse it.",
    )
    max_tokens: MaxTokens | None = Field(
        None, description="Upper limit of an answer's length in tokens. Default: not sent."
    )
    top_p: float | None = Field(
        None, ge=0, le=1, description="Share of the probability from which words are chosen, 0 to 1. Default: not sent."
    )
    reasoning_effort: Effort | None = Field(
        None, description="How long the model thinks before it answers. Default: not sent."
    )


class Model(ModelParameters):
    """The model that answers, and those that step in for it."""

    fallbacks: tuple[ModelParameters, ...] = Field(
        (),
        max_length=3,
        description="Models that are tried in this order when the first does not answer, with parameters of their own. "
        "Default: none.",
    )


# Written once for the bots' own retention and the platform's.
RetentionDays = Annotated[int, Field(ge=1, le=3650)]


class Conversations(ApiModel):
    """How long conversations are kept."""

    retention_days: RetentionDays = Field(description="Days after its last message until a conversation is erased.")


class ChatbotSpec(ApiModel):
    """What a Chatbot shall be."""

    rules = (
        Rule(
            cel="has(self.systemPrompt) != has(self.systemPromptFrom)",
            message="exactly one of `systemPrompt` and `systemPromptFrom` is required",
            holds=lambda spec: (spec.system_prompt is None) != (spec.system_prompt_from is None),
        ),
    )

    description: ShortText | None = Field(None, description="What the bot is for, for people. Default: none.")
    state: State | None = Field(
        None,
        description="`Active`: the bot answers. `Maintenance`: domain, certificate and page stay, answers say that it "
        "is "
        "away. `Offline`: no pods and no route; certificates and claims of hosts stay. Default: `Active`.",
    )
    maintenance_message: ShortText | None = Field(
        None, description="What a bot in state `Maintenance` says. Default: a sentence in the bot's language."
    )
    language: str | None = Field(
        None,
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language of the bot as a BCP 47 tag, for example `en` or `pt-BR`. Default: the platform's, `en`.",
    )
    time_zone: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        description="Time zone in which the bot is told the date, for example `Europe/Madrid`. Default: the "
        "platform's, `UTC`.",
    )
    model: Model = Field(description="The model that answers.")
    system_prompt: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_PROMPT_CHARACTERS,
        description="Instructions for the model, at most 32768 characters. Either this or `systemPromptFrom` is "
        "required.",
    )
    system_prompt_from: ConfigMapSource | None = Field(
        None, description="Where the instructions for the model are kept, if not in `systemPrompt`."
    )
    plugins: tuple[PluginRef, ...] = Field(
        (),
        max_length=128,
        description="Plugins of the bot. Order matters: the earlier wins when two set the same thing. Default: none.",
    )
    functions: SetOf[BuiltInFunction] = Field(
        (),
        max_length=16,
        description="Built-in tools that the model may call: `DateCalculator` (date_calculator), `Calculator` "
        "(calculator), "
        "`CurrentWeather` (get_current_weather). Default: none.",
    )
    app: App | None = Field(None, description="Skin of the chat page. Default: made from name and language.")
    exposure: Exposure | None = Field(
        None, description="How the bot is reached from outside. Default: at the platform's default host, if it has one."
    )
    access: Access | None = Field(None, description="Who may talk to the bot. Default: everybody.")
    limits: Limits | None = Field(None, description="How much the bot may use. Default: the platform's limits.")
    budget: Budget | None = Field(None, description="Money that the bot may spend. Default: not limited.")
    store_ref: LocalRef | None = Field(
        None,
        description="Store that keeps conversations, limits, budgets and usage. Default: a store within the pod, for "
        "one pod "
        "only, forgotten with the pod.",
    )
    conversations: Conversations | None = Field(
        None, description="How long conversations are kept. Default: the platform's retention."
    )
    scaling: Scaling = Field(
        Scaling(type="Fixed", replicas=1),
        description="How many pods serve the bot. Default: one.",
        # `/scale` needs a number in the resource itself.
        json_schema_extra={"x-keep-default": True},
    )
    resources: Resources | None = Field(
        None, description="Computing resources of each pod, as a whole. Default: the platform's."
    )
    runtime: RuntimeOverride | None = Field(
        None, description="Program that serves the bot. Default: the platform's runtime."
    )
    pod_template: PodTemplate | None = Field(None, description="Additions to the pods. Default: none.")
    network_policy: NetworkPolicy | None = Field(
        None, description="Which network connections the pods may make. Default: only those that the bot needs."
    )


class Chatbot(ApiModel):
    """A chatbot with its own domain, chat page and API compatible with OpenAI's."""

    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_CHATBOT_NAME} && self.metadata.name.matches('^{_CHATBOT_NAME}$')",
            message=f"the name of a Chatbot must be a DNS label that starts with a letter, of at most "
            f"{MAX_CHATBOT_NAME} "
            "characters",
            holds=lambda bot: (
                len(bot.metadata.name) <= MAX_CHATBOT_NAME
                and re.fullmatch(_CHATBOT_NAME, bot.metadata.name) is not None
            ),
        ),
    )

    metadata: Metadata
    spec: ChatbotSpec
    status: ChatbotStatus = ChatbotStatus()
