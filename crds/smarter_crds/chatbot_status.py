"""What the operator answers about a Chatbot."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from smarter_crds.access import AccessMode
from smarter_crds.base import ApiModel
from smarter_crds.exposure import CertificateMode, ExposureType, IssuerRef
from smarter_crds.fields import MapByName
from smarter_crds.limits import Limits
from smarter_crds.references import LocalRef
from smarter_crds.status import ConditionList
from smarter_crds.workload import Resources


class CertificateStatus(ApiModel):
    """The certificate of one host."""

    ready: bool = Field(False, description="Whether the certificate is issued and valid.")
    not_after: datetime | None = Field(None, description="When the certificate expires.")
    secret_name: str | None = Field(None, max_length=253, description="Secret that holds the certificate and its key.")


class HostStatus(ApiModel):
    """What is known of one host of the bot."""

    host: str = Field(max_length=253, description="The host name.")
    claimed: bool | None = Field(
        None, description="Whether this bot holds the claim of the host. Left out while that is not known."
    )
    resolved: bool | None = Field(
        None, description="Whether the name resolves in DNS. Left out while that is not known."
    )
    certificate: CertificateStatus | None = Field(
        None, description="The host's certificate. Left out where the bot needs none."
    )
    reachable: bool | None = Field(
        None, description="Whether the bot answered at this host. Left out while that is not known."
    )


class BotPluginStatus(ApiModel):
    """One plugin as it is in the bot's config."""

    name: str = Field(max_length=63, description="Name of the Plugin.")
    type: str = Field(max_length=63, description="Type of the Plugin.")
    hash: str = Field(max_length=64, description="Hash of the Plugin's content in the bot's config.")


class ModelDefaults(ApiModel):
    """What was filled in about the model."""

    name: str | None = Field(None, max_length=255, description="The Provider's `defaultModel`.")


class TlsDefaults(ApiModel):
    """What was filled in about certificates."""

    mode: CertificateMode | None = Field(None, description="Where certificates come from.")
    issuer_ref: IssuerRef | None = Field(None, description="The platform's default issuer.")


class AppDefaults(ApiModel):
    """What was filled in about the chat page."""

    title: str | None = Field(None, max_length=255, description="Title of the page, made from the name.")
    assistant_name: str | None = Field(None, max_length=255, description="Name under which the bot answers: the title.")
    disclosure: str | None = Field(
        None, max_length=255, description="Sentence which tells visitors that they are talking to an AI."
    )


class ExposureDefaults(ApiModel):
    """What was filled in about the way from outside."""

    type: ExposureType | None = Field(None, description="How the bot is reached from outside.")
    class_name: str | None = Field(None, max_length=253, description="The platform's IngressClass.")
    tls: TlsDefaults | None = Field(None, description="What was filled in about certificates.")


class AccessDefaults(ApiModel):
    """What was filled in about access."""

    mode: AccessMode | None = Field(None, description="Who may talk to the bot.")


class ConversationsDefaults(ApiModel):
    """What was filled in about conversations."""

    retention_days: int | None = Field(
        None, ge=1, description="Days after its last message until a conversation is erased."
    )


class ScalingDefaults(ApiModel):
    """What was filled in about autoscaling."""

    min_replicas: int | None = Field(None, ge=1, description="Fewest pods.")
    target_in_flight: int | None = Field(
        None, ge=1, description="Answers under way per pod at which another pod is started."
    )


class PodTemplateDefaults(ApiModel):
    """What was filled in about the pods."""

    image_pull_secrets: MapByName[LocalRef] = Field(
        (), max_length=8, description="Secrets for pulling images, in the same namespace."
    )


class ChatbotDefaults(ApiModel):
    """What the platform filled in, in the shape of the spec: only members that the spec leaves open."""

    state: Literal["Active"] | None = Field(None, description="The state asked for.")
    maintenance_message: str | None = Field(
        None, max_length=255, description="What the bot says in state `Maintenance`, in its language."
    )
    language: str | None = Field(None, max_length=35, description="The bot's language.")
    time_zone: str | None = Field(None, max_length=64, description="The bot's time zone.")
    model: ModelDefaults | None = Field(None, description="What was filled in about the model.")
    app: AppDefaults | None = Field(None, description="What was filled in about the chat page.")
    exposure: ExposureDefaults | None = Field(None, description="What was filled in about the way from outside.")
    access: AccessDefaults | None = Field(None, description="What was filled in about access.")
    limits: Limits | None = Field(None, description="What was filled in about limits.")
    conversations: ConversationsDefaults | None = Field(None, description="What was filled in about conversations.")
    scaling: ScalingDefaults | None = Field(None, description="What was filled in about the number of pods.")
    resources: Resources | None = Field(None, description="What was filled in about computing resources.")
    pod_template: PodTemplateDefaults | None = Field(None, description="What was filled in about the pods.")


class ChatbotStatus(ApiModel):
    """What the operator observed of a Chatbot."""

    observed_generation: int = Field(0, ge=0, description="The `metadata.generation` that this status speaks of.")
    state: str | None = Field(None, max_length=63, description="The state asked for: that of the spec, or its default.")
    url: str | None = Field(
        None, max_length=2048, description="Address at which the bot is reached. Left out where it is not exposed."
    )
    hosts: tuple[HostStatus, ...] = Field((), max_length=64, description="What is known of each host of the bot.")
    model: str | None = Field(
        None, max_length=512, description="Model that answers, as name of the Provider, slash, name of the model."
    )
    config_hash: str | None = Field(None, max_length=64, description="Hash of the config that the pods shall serve.")
    session_secret: str | None = Field(
        None,
        max_length=253,
        description="Secret with the key that signs what visitors get. When it is deleted, another is made, and all "
        "sessions end.",
    )
    replicas: int = Field(0, ge=0, description="Number of pods.")
    ready_replicas: int = Field(0, ge=0, description="Number of pods that are ready.")
    selector: str | None = Field(
        None, max_length=1024, description="Label selector of the pods, in the form that `/scale` needs."
    )
    plugin_count: int = Field(0, ge=0, description="Number of plugins in the bot's config.")
    certificate_expiry: datetime | None = Field(
        None, description="When the first of the bot's certificates expires. Left out where there is none."
    )
    plugins: tuple[BotPluginStatus, ...] = Field(
        (), max_length=128, description="The plugins in the bot's config; broken ones are left out."
    )
    defaults: ChatbotDefaults | None = Field(None, description="What the platform filled in, in the shape of the spec.")
    conditions: ConditionList = Field(
        (),
        max_length=32,
        description="What was observed: `Ready` sums up the others; `Accepted` judges the spec, `PluginsResolved` the "
        "plugins, `ConfigLive` whether all pods serve the config, `Available` the pods, `HostsAccepted`, `RouteReady` "
        "and "
        "`CertificateReady` the way from outside, and `ScalingActive`, with scaling of type `Auto`, whether the number "
        "of pods follows the load. `LimitsShared` tells whether a Store keeps what the bot must "
        "not forget, `DNSReady` and `Reachable` what was found when the hosts were looked at from outside; they inform "
        "only.",
    )
