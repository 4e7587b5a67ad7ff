"""How the pods of a Chatbot run: number, resources, scheduling and network."""

from typing import Any, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Rule
from smarter_crds.fields import AnnotationValue, LabelValue, MapByName, ObjectName, QualifiedKey, Quantity, RequiredText
from smarter_crds.references import LocalRef

ScalingType = Literal["Fixed", "Auto"]


class Scaling(ApiModel):
    """How many pods serve the bot."""

    rules = (
        Rule(
            cel="self.type != 'Fixed' || has(self.replicas)",
            message="`scaling.replicas` is required when `scaling.type` is `Fixed`",
            holds=lambda scaling: scaling.type != "Fixed" or scaling.replicas is not None,
        ),
        Rule(
            cel="self.type != 'Auto' || has(self.maxReplicas)",
            message="`scaling.maxReplicas` is required when `scaling.type` is `Auto`",
            holds=lambda scaling: scaling.type != "Auto" or scaling.max_replicas is not None,
        ),
        Rule(
            cel="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            message="`scaling.minReplicas` must not be above `scaling.maxReplicas`",
            holds=lambda scaling: (
                scaling.min_replicas is None
                or scaling.max_replicas is None
                or scaling.min_replicas <= scaling.max_replicas
            ),
        ),
    )

    type: ScalingType = Field(description="`Fixed` runs `replicas` pods; `Auto` follows the load.")
    replicas: int | None = Field(None, ge=0, le=100, description="Number of pods, for type `Fixed`. Default: 1.")
    min_replicas: int | None = Field(None, ge=1, le=100, description="Fewest pods, for type `Auto`. Default: 1.")
    max_replicas: int | None = Field(None, ge=1, le=100, description="Most pods; required for type `Auto`.")
    target_in_flight: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Answers under way per pod at which another pod is started, for type `Auto`. Default: the "
        "platform's.",
    )


class Resources(ApiModel):
    """What a pod asks for and may use at most, in quantities of Kubernetes."""

    requests: dict[QualifiedKey, Quantity] = Field(
        default_factory=dict,
        max_length=16,
        description="What the scheduler reserves for a pod, for example `{cpu: 50m, memory: 128Mi}`. Default: the "
        "platform's.",
    )
    limits: dict[QualifiedKey, Quantity] = Field(
        default_factory=dict,
        max_length=16,
        description="What a pod may use at most, for example `{memory: 256Mi}`. Default: not limited.",
    )


class RuntimeOverride(ApiModel):
    """Which program serves the bot."""

    image: RequiredText | None = Field(
        None, description="Image of the runtime; only one that the platform allows. Default: the platform's."
    )


class Toleration(ApiModel):
    """A taint of nodes that is put up with, as in a pod."""

    key: QualifiedKey | None = Field(None, description="Key of the taint. Default: every key, with operator `Exists`.")
    operator: Literal["Exists", "Equal"] | None = Field(
        None, description="`Exists`: any value is tolerated. `Equal`: only `value`. Default: `Equal`."
    )
    value: LabelValue | None = Field(None, description="Value of the taint, for operator `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint that is tolerated. Default: every effect."
    )
    toleration_seconds: int | None = Field(
        None, ge=0, description="Seconds until eviction, for effect `NoExecute`. Default: never evicted."
    )


class EnvVar(ApiModel):
    """An environment variable with a plain value."""

    name: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the variable; only one that the platform allows.",
    )
    value: str = Field(
        max_length=4096, description="Value of the variable; readable by everyone who may read the Chatbot."
    )


class PodTemplate(ApiModel):
    """What a platform team may want to add to the pods."""

    node_selector: dict[QualifiedKey, LabelValue] = Field(
        default_factory=dict, max_length=32, description="Labels that a node must have. Default: any node."
    )
    tolerations: tuple[Toleration, ...] = Field(
        (), max_length=32, description="Taints of nodes that the pods put up with. Default: none."
    )
    affinity: dict[str, Any] | None = Field(
        None, description="Affinity rules of the pods, as in a Kubernetes pod. Default: none."
    )
    topology_spread_constraints: tuple[dict[str, Any], ...] = Field(
        (),
        max_length=16,
        description="How the pods are spread, as in a Kubernetes pod. Default: over nodes, if possible.",
    )
    priority_class_name: ObjectName | None = Field(
        None, description="PriorityClass of the pods. Default: the cluster's default."
    )
    labels: dict[QualifiedKey, LabelValue] = Field(
        default_factory=dict, max_length=32, description="Labels added to the pods. Default: none."
    )
    annotations: dict[QualifiedKey, AnnotationValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Annotations added to the pods; only keys that the platform allows. Default: none.",
    )
    image_pull_secrets: MapByName[LocalRef] = Field(
        (), max_length=8, description="Secrets for pulling images, in the same namespace. Default: the platform's."
    )
    env: MapByName[EnvVar] = Field(
        (), max_length=64, description="Environment variables added to the runtime. Default: none."
    )
    service_account_annotations: dict[QualifiedKey, AnnotationValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Annotations for the bot's ServiceAccount; only keys that the platform allows. Default: none.",
    )


class NetworkPolicy(ApiModel):
    """Which network connections the pods may make."""

    enabled: bool | None = Field(None, description="Whether a NetworkPolicy is made for the pods. Default: true.")
    extra_egress: tuple[dict[str, Any], ...] = Field(
        (), max_length=32, description="Further egress rules, as in a Kubernetes NetworkPolicy. Default: none."
    )
