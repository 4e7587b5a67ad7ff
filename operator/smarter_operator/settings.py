"""Everything that can be set from outside, read once at start."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, SettingsConfigDict

from smarter_crds.compile import Platform


class Expression(BaseModel):
    """One requirement of a label selector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self.operator in ("Exists", "DoesNotExist"):
            return (self.key in labels) == (self.operator == "Exists")
        return (labels.get(self.key) in self.values) == (self.operator == "In")


class LabelSelector(BaseModel):
    """Which objects are meant, as everywhere in Kubernetes."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[Expression, ...] = ()

    def manifest(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is meant; an empty selector means all."""
        pairs = all(labels.get(key) == value for key, value in self.match_labels.items())
        return pairs and all(expression.holds(labels) for expression in self.match_expressions)


class NetworkPolicySettings(BaseModel):
    """Who may read the status port of the chatbot pods."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator_namespace_selector: LabelSelector = LabelSelector()
    """Namespaces with the operator's pods; empty: the operator's own."""

    prometheus_namespace_selector: LabelSelector = LabelSelector()
    """Namespaces with Prometheus; empty: it may not read the pods' metrics."""

    usage_namespace_selector: LabelSelector = LabelSelector()
    """Namespaces of whoever collects the records of usage; empty: nobody beside the others."""


class WebhookSettings(BaseModel):
    """How the API server reaches the operator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate_folder: str = ""
    """Folder with `tls.crt` and `tls.key`, read anew when they change; empty: no webhooks are served."""

    port: int = 9443
    """Port of `/validate` and `/convert`, over HTTPS."""

    refresh_seconds: float = Field(default=10, gt=0)
    """How often it is looked whether the certificate's files changed, or came into being."""


class HostPolicy(BaseModel):
    """Which hosts the Chatbots of some namespaces may use."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    namespace_selector: LabelSelector
    """Empty: every namespace."""

    hosts: tuple[str, ...]
    """Names, or `*.example.org` for every name below `example.org`."""


class Settings(BaseSettings):
    """The operator's settings, from environment variables `SMARTER_<NAME>` and `SMARTER_PLATFORM__<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SMARTER_", env_nested_delimiter="__", frozen=True)

    runtime_image: str
    """Image of the chatbot pods; there is no default, so that a forgotten value stops the start."""

    runtime_image_pull_policy: str = "IfNotPresent"
    """`imagePullPolicy` of the chatbot pods."""

    platform: Platform = Platform()
    """What the platform fills in where a Chatbot says nothing."""

    network_policy: NetworkPolicySettings = NetworkPolicySettings()
    """What the NetworkPolicies of the chatbot pods let in."""

    host_policies: tuple[HostPolicy, ...] = ()
    """Who may use which hosts; none: every namespace every host that nobody else holds."""

    host_release_seconds: float = Field(default=86400, ge=0)
    """How long a host that is not used any more is kept for the Chatbot that used it."""

    watch_namespaces: tuple[str, ...] = ()
    """The namespaces whose resources are watched and written; none: all."""

    namespace: str = ""
    """Namespace of the operator's pod; empty when it runs outside a cluster."""

    workers: int = Field(default=16, ge=1)
    """How many resources are reconciled at the same time."""

    max_rollouts: int = Field(default=20, ge=1)
    """How many bots' pods are replaced at the same time for a change that is the platform's and not their own."""

    pod_probers: int = Field(default=32, ge=1)
    """How many pods are asked for their config at the same time."""

    probe_seconds: float = Field(default=300, ge=0)
    """How often every host is looked up in DNS and asked who answers, give or take a fifth; 0: never."""

    probe_port: int = Field(default=443, ge=1, le=65535)
    """Port at which hosts are asked."""

    host_probers: int = Field(default=8, ge=1)
    """How many hosts are probed at the same time."""

    resync_seconds: float = 300
    """How often everything is listed again, so that nothing that a watch missed stays."""

    api_timeout_seconds: float = 30
    """How long one call of the Kubernetes API may take before it counts as failed."""

    pod_status_port: int = 9090
    """Port at which the pods are asked for their status."""

    server_host: str = "0.0.0.0"
    """Address on which probes and metrics are served."""

    server_port: int = 9090
    """Port of `/livez`, `/readyz` and `/metrics`."""

    webhook: WebhookSettings = WebhookSettings()
    """How the API server asks for the operator's judgement."""

    log_level: str = "INFO"
    """Least severe level that is logged: DEBUG, INFO, WARNING or ERROR."""

    lease_namespace: str = ""
    """Namespace of the Lease by which replicas elect the one that writes; empty: there is only this one."""

    lease_name: str = "smarter-operator"
    """Name of that Lease."""

    identity: str = ""
    """Name of this replica in the Lease; it must differ from that of every other."""

    kubeconfig: str = ""
    """Path of a kubeconfig, for running outside a cluster; empty: the pod's service account."""

    def operator_namespaces(self) -> dict[str, Any]:
        """Return the selector of the namespaces with the operator's pods; empty when there are none."""
        own = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}} if self.namespace else {}
        return self.network_policy.operator_namespace_selector.manifest() or own
