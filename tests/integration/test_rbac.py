"""Whether the operator's permissions are exactly those that it uses: judged last, by what all tests here made it do."""

from pathlib import Path

import pytest

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api, Manifest
from support.permissions import DESELECTED, Permission, denied, granted, used

HERE = Path(__file__).parent
ROLES = "/apis/rbac.authorization.k8s.io/v1"

ONLY_ELSEWHERE: dict[Permission, str] = {
    # Only bots with several pods have one, and those wait for Stores.
    Permission("policy", "poddisruptionbudgets", verb): (
        "tests/operator/test_children.py::test_only_pods_that_can_stand_in_for_each_other_have_a_budget"
    )
    for verb in ("get", "create", "patch", "delete")
}
"""Permissions that no test in this folder makes the operator use, and the test elsewhere that does."""


@pytest.fixture
def so_far(installed: Cluster) -> Path:
    """The API server's record of the operator's requests, whatever made it ask."""
    log = installed.audit_log
    if log is None:
        pytest.skip("the cluster's API server keeps no record of requests")
    return log


@pytest.fixture
def record(request: pytest.FixtureRequest, so_far: Path) -> Path:
    """The same, once all tests have run."""
    if why := _incomplete(request.session):
        pytest.skip(why)
    return so_far


def _incomplete(session: pytest.Session) -> str:
    """Say why this run proves nothing about permissions, or nothing."""
    missing = {path.name for path in HERE.glob("test_*.py")} - {item.path.name for item in session.items}
    if missing:
        return f"only the whole folder shows what is used; {', '.join(sorted(missing))} did not run"
    if session.config.stash.get(DESELECTED, False) or any("::" in argument for argument in session.config.args):
        return "only the whole folder shows what is used; some tests were left out"
    return "a test failed, so what it would have made the operator do may be missing" if session.testsfailed else ""


async def rules(api: Api) -> list[Manifest]:
    """Return the rules of the operator's roles as they are in the cluster."""
    roles = (f"{ROLES}/clusterroles/smarter", f"{ROLES}/namespaces/{NAMESPACE}/roles/smarter")
    return [rule for path in roles for rule in (await api.call("GET", path))["rules"]]


def test_nothing_that_the_operator_tried_was_denied(so_far: Path) -> None:
    assert denied(so_far) == []


async def test_the_operator_used_every_permission_it_has(api: Api, record: Path) -> None:
    unused = granted(await rules(api)) - used(record) - ONLY_ELSEWHERE.keys()
    assert sorted(unused) == []


async def test_the_operator_needed_nothing_that_its_roles_do_not_grant(api: Api, so_far: Path) -> None:
    assert sorted(used(so_far) - granted(await rules(api))) == []


async def test_the_list_of_what_is_used_elsewhere_is_as_short_as_it_can_be(api: Api, record: Path) -> None:
    listed = set(ONLY_ELSEWHERE)
    assert sorted(listed & used(record)) == []
    assert sorted(listed - granted(await rules(api))) == []


def test_what_is_used_elsewhere_names_a_test_that_exists() -> None:
    for permission, test in ONLY_ELSEWHERE.items():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (HERE.parents[1] / file).read_text(encoding="utf-8"), permission
