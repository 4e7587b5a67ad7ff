"""Facts → the condition of autoscaling, in the words of the HorizontalPodAutoscaler and with the way out."""

from smarter_operator.cluster import Manifest
from smarter_operator.findings import Verdict
from smarter_operator.kinds import HORIZONTAL_POD_AUTOSCALER
from smarter_operator.outcome import Outcome
from smarter_operator.resources.horizontal_pod_autoscaler import METRIC

_NO_ADAPTER = "no custom metrics API"
_INSTALL = (
    f"The cluster has no metrics adapter, so the number of pods does not follow the load. Install one that serves "
    f"`{METRIC}` of the pods at custom.metrics.k8s.io, for example prometheus-adapter, or set `spec.scaling.type` to "
    "`Fixed`."
)
_TEACH = (
    f"The metrics adapter does not serve `{METRIC}` of this bot's pods; check its rules, and that Prometheus reads the "
    "pods' metrics."
)


def scaling_active(bot: str, outcome: Outcome) -> Verdict | None:
    """Return the verdict on autoscaling; None where none is asked for."""
    settled = outcome.compiled.settled
    if settled.autoscaling is None:
        return None
    if settled.state == "Offline":
        return "True", "Offline", "No pod is needed: the chatbot is offline."
    live = outcome.world.child(HORIZONTAL_POD_AUTOSCALER, bot)
    if live is None:
        return "Unknown", "NotScaled", "There is no HorizontalPodAutoscaler yet."
    said = {condition["type"]: condition for condition in live.get("status", {}).get("conditions", [])}
    for name in ("AbleToScale", "ScalingActive"):
        if said.get(name, {}).get("status") == "False":
            return "False", said[name].get("reason", name), _explained(said[name])
    if said.get("ScalingActive", {}).get("status") != "True":
        return "Unknown", "NotJudged", "The HorizontalPodAutoscaler has not been looked at yet."
    least, most = settled.autoscaling.min_replicas, settled.autoscaling.max_replicas
    return "True", "Scaling", f"The number of pods follows the answers under way, between {least} and {most}."


def _explained(condition: Manifest) -> str:
    message = str(condition.get("message", "")).strip()
    if _NO_ADAPTER in message:
        return _INSTALL
    if condition.get("reason") == "FailedGetPodsMetric":
        return f"{_TEACH} It was said: {message}"
    return message or "The HorizontalPodAutoscaler does not say why."
