"""How many pods a bot has, filled in from the platform, and why that may be refused or without effect."""

from collections.abc import Iterator
from dataclasses import dataclass

from smarter_crds.chatbot import Chatbot
from smarter_crds.chatbot_status import PodTemplateDefaults, ScalingDefaults
from smarter_crds.compile.model import Autoscaling, Platform
from smarter_crds.compile.problems import Problem
from smarter_crds.references import LocalRef
from smarter_crds.workload import PodTemplate, Scaling

_ONLY_AUTO = {"min_replicas": None, "max_replicas": None, "target_in_flight": None}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What holds for a bot's pods."""

    replicas: int
    autoscaling: Autoscaling | None
    image: str
    image_pull_secrets: tuple[str, ...]


def workload(chatbot: Chatbot, platform: Platform) -> Workload:
    scaling, runtime = chatbot.spec.scaling, chatbot.spec.runtime
    own = (chatbot.spec.pod_template or PodTemplate()).image_pull_secrets
    autoscaling = _autoscaling(scaling, platform)
    fixed = 1 if scaling.replicas is None else scaling.replicas
    return Workload(
        replicas=autoscaling.min_replicas if autoscaling else fixed,
        autoscaling=autoscaling,
        image=runtime.image or "" if runtime else "",
        image_pull_secrets=tuple(secret.name for secret in own) or platform.image_pull_secrets,
    )


def pods_without_store(chatbot: Chatbot) -> Iterator[Problem]:
    """Yield a problem if the bot may have more than one pod and nothing that these share."""
    scaling = chatbot.spec.scaling
    field, most = ("maxReplicas", scaling.max_replicas) if scaling.type == "Auto" else ("replicas", scaling.replicas)
    if (most or 0) <= 1 or chatbot.spec.store_ref is not None:
        return
    way_out = f"name one in `spec.storeRef`, or set `spec.scaling.{field}` to 1."
    yield Problem("StoreRequired", f"{most} pods need a store that they share; {way_out}")


def workload_warnings(chatbot: Chatbot) -> Iterator[str]:
    """Yield what is set about the number of pods and has no effect."""
    scaling = chatbot.spec.scaling
    # Beside `Auto` the one pod that the API server filled in for `Fixed` may still stand.
    ignored = {"replicas": 1} if scaling.type == "Auto" else _ONLY_AUTO
    for name, harmless in ignored.items():
        if getattr(scaling, name) not in (None, harmless):
            yield f"`spec.scaling.{Scaling.model_fields[name].alias}` has no effect with type `{scaling.type}`."


def scaling_defaults(chatbot: Chatbot, platform: Platform) -> ScalingDefaults | None:
    scaling, filled = chatbot.spec.scaling, _autoscaling(chatbot.spec.scaling, platform)
    if filled is None:
        return None
    defaults = ScalingDefaults(
        min_replicas=None if scaling.min_replicas else filled.min_replicas,
        target_in_flight=None if scaling.target_in_flight else filled.target_in_flight,
    )
    return None if defaults == ScalingDefaults() else defaults


def pod_template_defaults(chatbot: Chatbot, platform: Platform) -> PodTemplateDefaults | None:
    if not platform.image_pull_secrets or (chatbot.spec.pod_template or PodTemplate()).image_pull_secrets:
        return None
    return PodTemplateDefaults(image_pull_secrets=tuple(LocalRef(name=name) for name in platform.image_pull_secrets))


def _autoscaling(scaling: Scaling, platform: Platform) -> Autoscaling | None:
    if scaling.type != "Auto":
        return None
    return Autoscaling(
        min_replicas=scaling.min_replicas or 1,
        max_replicas=scaling.max_replicas or 1,
        target_in_flight=scaling.target_in_flight or platform.target_in_flight,
    )
