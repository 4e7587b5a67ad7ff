"""Everything that can be set from outside, read once at start."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from smarter_crds.compile import Platform


class Settings(BaseSettings):
    """The operator's settings, from environment variables `SMARTER_<NAME>` and `SMARTER_PLATFORM__<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SMARTER_", env_nested_delimiter="__", frozen=True)

    runtime_image: str
    """Image of the chatbot pods; there is no default, so that a forgotten value stops the start."""

    runtime_image_pull_policy: str = "IfNotPresent"
    """`imagePullPolicy` of the chatbot pods."""

    platform: Platform = Platform()
    """What the platform fills in where a Chatbot says nothing."""

    workers: int = Field(default=16, ge=1)
    """How many resources are reconciled at the same time."""

    pod_probers: int = Field(default=32, ge=1)
    """How many pods are asked for their config at the same time."""

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
