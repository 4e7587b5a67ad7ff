"""Takes single safeguards out of a copy of the operator, and sees the test that is named for each fail."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import smarter_operator

ROOT = Path(__file__).parents[2]
TESTS_FAILED = 1
"""pytest's exit code for failed tests; a program that does not even load has another."""


@dataclass(frozen=True)
class Mutation:
    """A piece of text in a module that is replaced, and the test that must notice."""

    module: str
    text: str
    instead: str
    test: str


MUTATIONS = {
    "nothing is pruned": Mutation(
        "reconcile.py",
        "await apply.prune(desired, world, self.cluster, self.cache)",
        "pass",
        "test_reconcile.py::test_a_host_that_is_no_longer_asked_for_loses_its_certificate",
    ),
    "retries do not back off": Mutation(
        "workqueue.py",
        "FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16)",
        "FIRST_RETRY_SECONDS",
        "test_workqueue.py::test_a_failing_key_waits_longer_each_time_and_starts_anew_after_a_success",
    ),
    "an apply is not tied to the UID": Mutation(
        "apply.py",
        'child = {**child, "metadata": {**child["metadata"], "uid": live["metadata"]["uid"]}}',
        "pass",
        "test_reconcile.py::test_a_child_that_somebody_replaced_unseen_is_not_taken_over",
    ),
    "a status is not tied to the UID": Mutation(
        "reporting.py",
        'for key in ("name", "namespace", "uid")}',
        'for key in ("name", "namespace")}',
        "test_reconcile.py::test_the_status_of_a_predecessor_is_not_written_to_its_successor",
    ),
    "the lease is not looked at before a write": Mutation(
        "guard.py",
        "if not self._may_write():",
        "if False:",
        "test_leader.py::test_who_does_not_lead_starts_no_write",
    ),
    "a changed field is not seen": Mutation(
        "drift.py",
        " and contains(live, desired)",
        "",
        "test_drift_of_every_field.py::test_whatever_is_changed_or_taken_away_comes_back_and_what_others_add_stays",
    ),
    "a changed label is not seen": Mutation(
        "watching.py",
        "for side in (change.before, change.after) if side is not None]",
        "for side in (change.after or change.before,) if side is not None]",
        "test_drift_of_every_field.py::test_whatever_is_changed_or_taken_away_comes_back_and_what_others_add_stays",
    ),
    "a taken name is not noticed": Mutation(
        "checks.py",
        "for stranger in facts.strangers:",
        "for stranger in ():",
        "test_reconcile.py::test_a_users_own_object_of_that_name_stays_untouched",
    ),
    "what vanished unseen stays known": Mutation(
        "engine.py",
        "for manifest in self.cache.vanished(kind, listed, known):",
        "for manifest in ():",
        "test_reconcile.py::test_what_vanished_unseen_is_pruned_by_the_next_list",
    ),
    "a deleted child is not missed": Mutation(
        "watching.py",
        "elif change.kind in CHILDREN or (change.kind is POD and _pod_changed(change)):",
        "elif change.after and (change.kind in CHILDREN or (change.kind is POD and _pod_changed(change))):",
        "test_drift_of_every_field.py::test_every_child_that_is_deleted_comes_back",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_test_that_is_named_notices_the_missing_safeguard(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mutation = MUTATIONS[name]
    package = tmp_path / "smarter_operator"
    shutil.copytree(Path(smarter_operator.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    module = package / mutation.module
    text = module.read_text(encoding="utf-8")
    assert text.count(mutation.text) == 1, f"{mutation.module} has changed; adapt the mutation {name!r}"
    module.write_text(text.replace(mutation.text, mutation.instead), encoding="utf-8")
    result = _run(mutation.test, tmp_path)
    killed = result.returncode == TESTS_FAILED
    with capsys.disabled():
        sys.stdout.write(f"\n{name:45} → {mutation.test.split('::')[1]}: {'killed' if killed else 'SURVIVED'}")
    assert killed, f"the mutation survived:\n{result.stdout[-3000:]}{result.stderr[-1000:]}"


@pytest.mark.parametrize("test", sorted({mutation.test for mutation in MUTATIONS.values()}))
def test_the_named_test_passes_with_the_operator_as_it_is(test: str) -> None:
    result = _run(test, Path(smarter_operator.__file__).parents[1])
    assert result.returncode == 0, result.stdout[-3000:]


def _run(test: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run one test with the operator that lies at `path`."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/operator/{test}"]
    environment = {**os.environ, "PYTHONPATH": str(path)}  # noqa: TID251
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
