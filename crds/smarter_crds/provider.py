"""The Provider resource: who offers models, and how it is reached."""

from typing import Any, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.fields import (
    AllowedCidrs,
    BaseUrl,
    HeaderName,
    HeaderValue,
    MapByName,
    ModelName,
    Money,
    RequiredText,
)
from smarter_crds.references import SecretKeyRef
from smarter_crds.status import TypedStatus

ProviderType = Literal[
    "OpenAI",
    "AzureOpenAI",
    "Anthropic",
    "Google",
    "Mistral",
    "Groq",
    "Together",
    "Fireworks",
    "Cohere",
    "DeepSeek",
    "Ollama",
    "OpenAICompatible",
    "LangChain",
    "Demo",
]
WireApi = Literal["Auto", "Responses", "ChatCompletions"]

_WITHOUT_ADDRESS = ("AzureOpenAI", "Ollama", "OpenAICompatible")


class ProviderHeader(ApiModel):
    """A header sent with every request to the provider."""

    name: HeaderName = Field(description="Name of the header.")
    value: HeaderValue = Field(description="Value of the header; readable by everyone who may read the Provider.")


class Prices(ApiModel):
    """What the provider's models cost, in USD per million tokens."""

    input: Money | None = Field(
        None, description="USD per million tokens sent, as a decimal string. Default: from the price table."
    )
    output: Money | None = Field(
        None, description="USD per million tokens received, as a decimal string. Default: from the price table."
    )
    cached_input: Money | None = Field(
        None,
        description="USD per million tokens sent that the provider had cached, as a decimal string. Default: from the "
        "price "
        "table, else as `input`.",
    )


class LangChain(ApiModel):
    """A model that is reached through LangChain."""

    model: RequiredText = Field(description="Model as LangChain's `init_chat_model` takes it: provider, colon, model.")
    options: dict[str, Any] | None = Field(
        None, max_length=64, description="Further arguments of `init_chat_model`. Default: none."
    )


class ProviderSpec(ApiModel):
    """Who offers models, and how it is reached."""

    rules = (
        Rule(
            cel=f"!(self.type in {list(_WITHOUT_ADDRESS)}) || has(self.baseUrl)",
            message="`baseUrl` is required when `type` is `AzureOpenAI`, `Ollama` or `OpenAICompatible`",
            holds=lambda spec: spec.type not in _WITHOUT_ADDRESS or spec.base_url is not None,
        ),
        Rule(
            cel="self.type != 'LangChain' || has(self.langchain)",
            message="`langchain` is required when `type` is `LangChain`",
            holds=lambda spec: spec.type != "LangChain" or spec.langchain is not None,
        ),
    )

    type: ProviderType = Field(
        description="Who offers the models. `OpenAICompatible`: any server with OpenAI's API. `LangChain`: whatever "
        "LangChain "
        "can reach. `Demo`: works offline, answers in a fixed way and calls tools."
    )
    base_url: BaseUrl | None = Field(
        None,
        description="Address of the API, including the version (for example `https://llm.example/v1`), without query. "
        "Required "
        "for `AzureOpenAI`, `Ollama` and `OpenAICompatible`. Default: the provider's own address.",
    )
    api: WireApi | None = Field(
        None,
        description="Which of OpenAI's APIs is spoken: `Responses`, `ChatCompletions`, or `Auto`, which chooses by "
        "type. "
        "Default: `Auto`.",
    )
    api_key_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the provider's API key. Default: no key is sent."
    )
    default_model: ModelName | None = Field(
        None, description="Model for bots that name none. Default: every bot must name its model."
    )
    headers: MapByName[ProviderHeader] = Field(
        (), max_length=32, description="Headers sent with every request; no place for secrets. Default: none."
    )
    timeout_seconds: int | None = Field(
        None, ge=1, le=3600, description="Longest wait for the first token, and between two, in seconds. Default: 60."
    )
    prices: Prices | None = Field(
        None, description="Prices that go before the built-in price table. Default: the price table alone."
    )
    ca_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the authorities to trust, in PEM. Default: the system's."
    )
    allowed_cidrs: AllowedCidrs = ()
    langchain: LangChain | None = Field(None, description="The model of type `LangChain`.")


class Provider(ApiModel):
    """A provider of models that Chatbots can use."""

    metadata: Metadata
    spec: ProviderSpec
    status: TypedStatus = TypedStatus()
