"""Whose the number of pods is: ours while it is fixed, the autoscaler's otherwise. Changing hands costs no pod.

Whoever stops applying a field that nobody else owns removes it, and a Deployment without a number has one pod. So
another manager of ours holds the number from the moment we let go until the autoscaler writes it.
"""

from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import DEPLOYMENT

MANAGER = "smarter-handover"


def before_apply(desired: Manifest, live: Manifest) -> Manifest | None:
    """Return what `MANAGER` must apply before we apply `desired`; None when we let go of nothing."""
    if desired["kind"] != DEPLOYMENT.name or "replicas" in desired["spec"] or not _owns(live, names.FIELD_MANAGER):
        return None
    # The version makes a number that somebody changes at this moment a conflict, and not a step back. An autoscaler
    # never wakes a Deployment of 0 pods.
    held = _handle(live, "uid", "resourceVersion")
    return held | {"spec": {"replicas": max(live["spec"].get("replicas", 1), 1)}}


def after_apply(desired: Manifest, live: Manifest) -> Manifest | None:
    """Return what `MANAGER` must apply to let go of a number that is ours again; None when it holds none."""
    fixed = desired["kind"] == DEPLOYMENT.name and "replicas" in desired["spec"]
    if not fixed or not _owns(live, MANAGER) or not _owns(live, names.FIELD_MANAGER):
        return None
    return _handle(live, "uid")


def is_finished(desired: Manifest, live: Manifest) -> bool:
    return before_apply(desired, live) is None and after_apply(desired, live) is None


def _owns(live: Manifest, manager: str) -> bool:
    entries = live["metadata"].get("managedFields", [])
    return any(e.get("ownsReplicas") and (e["manager"], e["operation"]) == (manager, "Apply") for e in entries)


def _handle(live: Manifest, *members: str) -> Manifest:
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", *members)}
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "metadata": metadata}
