import copy
from typing import Any

import pytest

from smarter_operator.drift import contains, is_current, stamped

DESIRED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "support", "labels": {"app": "bot"}},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [{"name": "runtime", "image": "runtime:1", "resources": {"limits": {"cpu": "1000m"}}}],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            }
        },
    },
}


def live() -> dict[str, Any]:
    """What the API server made of `DESIRED`: defaults, other managers' fields, canonical quantities, a sidecar."""
    made = copy.deepcopy(stamped(DESIRED))
    made["metadata"] |= {"uid": "1", "resourceVersion": "5"}
    made["metadata"]["managedFields"] = [{"manager": "smarter-operator", "operation": "Apply"}]
    made["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    pod = made["spec"]["template"]["spec"]
    pod["restartPolicy"] = "Always"
    pod["containers"][0]["resources"]["limits"]["cpu"] = "1"
    pod["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})
    made["status"] = {"readyReplicas": 1}
    return made


def test_defaults_and_fields_of_others_are_no_drift() -> None:
    assert is_current(stamped(DESIRED), live())


def _image(manifest: dict[str, Any]) -> None:
    manifest["spec"]["template"]["spec"]["containers"][1]["image"] = "other:1"


def _container_gone(manifest: dict[str, Any]) -> None:
    del manifest["spec"]["template"]["spec"]["containers"][1]


def _label_gone(manifest: dict[str, Any]) -> None:
    del manifest["metadata"]["labels"]


def _stamp_changed(manifest: dict[str, Any]) -> None:
    manifest["metadata"]["annotations"]["smarter.sh/applied"] = "0"


def _managers_lost(manifest: dict[str, Any]) -> None:
    manifest["metadata"]["managedFields"] = [{"manager": "smarter-operator", "operation": "Update"}]


def _replicas(manifest: dict[str, Any]) -> None:
    manifest["spec"]["replicas"] = 3


def _limit(manifest: dict[str, Any]) -> None:
    manifest["spec"]["template"]["spec"]["containers"][1]["resources"]["limits"]["cpu"] = "2"


@pytest.mark.parametrize(
    "change",
    [_image, _container_gone, _label_gone, _stamp_changed, _managers_lost, _replicas, _limit],
    ids=lambda f: f.__name__,
)
def test_a_change_of_what_is_ours_is_drift(change: Any) -> None:
    found = live()
    change(found)
    assert not is_current(stamped(DESIRED), found)


def test_a_field_that_is_no_longer_wanted_is_noticed() -> None:
    desired = copy.deepcopy(DESIRED)
    del desired["metadata"]["labels"]
    assert not is_current(stamped(desired), live())


@pytest.mark.parametrize(
    ("live_value", "desired", "same"),
    [
        pytest.param({"requests": {"cpu": "0.5"}}, {"requests": {"cpu": "500m"}}, True, id="cpu"),
        pytest.param({"requests": {"memory": "1Gi"}}, {"requests": {"memory": "1024Mi"}}, True, id="memory"),
        pytest.param({"requests": {"memory": "1G"}}, {"requests": {"memory": "1Gi"}}, False, id="not-the-same-unit"),
        pytest.param({"value": "1000m"}, {"value": "1"}, False, id="only-quantities-are-numbers"),
        pytest.param({}, {"annotations": {}}, True, id="an-empty-map-may-be-dropped"),
        pytest.param({"selector": {"a": "1", "b": "2"}}, {"selector": {"a": "1"}}, False, id="a-selector-is-one-value"),
        pytest.param({"egress": [{"a": 1}]}, {"egress": [{"a": 1}]}, True, id="rules-of-a-policy"),
        pytest.param({"egress": [{"a": 1, "b": 2}]}, {"egress": [{"a": 1}]}, False, id="a-rule-is-ours-as-a-whole"),
        pytest.param({"egress": [{}]}, {"egress": [{"a": []}]}, True, id="empty-members-of-a-rule-may-be-dropped"),
        pytest.param(
            {"ports": [{"port": 53, "x": 1}, {"port": 53, "x": 2}, {"port": 22}]},
            {"ports": [{"port": 53, "x": 1}, {"port": 53, "x": 2}]},
            False,
            id="no-key-where-it-is-not-unique",
        ),
        pytest.param(["b", "a"], ["a", "b"], False, id="plain-lists-have-an-order"),
        pytest.param([], ["a"], False, id="shorter-list"),
        pytest.param("text", {"a": 1}, False, id="another-type"),
    ],
)
def test_what_counts_as_the_same(live_value: Any, desired: Any, same: bool) -> None:
    assert contains(live_value, desired) is same
