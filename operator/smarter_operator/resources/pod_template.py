"""What the user and the platform add to a chatbot's pods; labels and variables of ours always win."""

from collections.abc import Mapping, Sequence
from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_crds.workload import PodTemplate
from smarter_operator import names

Values = dict[str, Any]


def asked(chatbot: Chatbot) -> PodTemplate:
    return chatbot.spec.pod_template or PodTemplate()


def pod_metadata(chatbot: Chatbot) -> Values:
    """Return labels and annotations of the pods."""
    template = asked(chatbot)
    labels = {**template.labels, **names.labels(chatbot.metadata.name)}
    return {"labels": labels} | ({"annotations": dict(template.annotations)} if template.annotations else {})


def scheduling(chatbot: Chatbot, compiled: Compiled) -> Values:
    """Return the members of the pod's spec that say where it runs, and with what its image is pulled."""
    template = asked(chatbot)
    found: Values = {
        "nodeSelector": dict(template.node_selector),
        "tolerations": [_said(taint.model_dump(by_alias=True, exclude_none=True)) for taint in template.tolerations],
        "affinity": template.affinity,
        "topologySpreadConstraints": _spread(chatbot),
        "priorityClassName": template.priority_class_name,
        "imagePullSecrets": [{"name": name} for name in compiled.settled.image_pull_secrets],
    }
    return {name: value for name, value in found.items() if value}


def environment(chatbot: Chatbot, own: Sequence[Values]) -> list[Values]:
    """Return the runtime's variables: `own`, and those of the user that have other names."""
    taken = {variable["name"] for variable in own}
    added = (variable for variable in asked(chatbot).env if variable.name not in taken)
    return [*own, *(_said(variable.model_dump()) for variable in added)]


def _spread(chatbot: Chatbot) -> list[Values]:
    """Return where pods shall not be together: over nodes if possible, unless the user says otherwise."""
    pods = {"labelSelector": {"matchLabels": names.selector(chatbot.metadata.name)}}
    over_nodes = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    # The pods of one rollout: else the old ones would say where the new ones must not go.
    default = over_nodes | {"matchLabelKeys": ["pod-template-hash"]}
    return [pods | constraint for constraint in asked(chatbot).topology_spread_constraints or (default,)]


def _said(part: Mapping[str, Any]) -> Values:
    """Leave out empty strings: the API server drops them too, and they would look like drift."""
    return {name: value for name, value in part.items() if value != ""}
