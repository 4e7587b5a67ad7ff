"""Single safeguards of the operator that can be taken out, each with the test that must notice."""

from dataclasses import dataclass
from pathlib import Path

import smarter_operator

PACKAGE = Path(smarter_operator.__file__).parent


@dataclass(frozen=True)
class Mutation:
    """A piece of text in a module that is replaced, and the test that must notice."""

    module: str
    text: str
    instead: str
    test: str


MUTATIONS = {
    "nothing is pruned": Mutation(
        "apply.py",
        'await cluster.delete(kind, metadata["namespace"], metadata["name"], metadata["uid"])',
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
        'return {**child, "metadata": {**child["metadata"], "uid": live["metadata"]["uid"]}}',
        "return child",
        "test_reconcile.py::test_a_child_that_somebody_replaced_unseen_is_not_taken_over",
    ),
    "a deletion is not tied to the UID": Mutation(
        "kubernetes_cluster.py",
        '({"uid": uid} if uid else {})',
        "{}",
        "test_kubernetes_cluster.py::test_a_deletion_names_the_object_it_means",
    ),
    "a status is not tied to the UID": Mutation(
        "reporting.py",
        '("name", "namespace", "uid", *',
        '("name", "namespace", *',
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
    "what is renamed is not put back": Mutation(
        "apply.py",
        "if wrong := mending.renamed(child, live):",
        "if wrong := []:",
        "test_mending.py::test_a_port_that_was_changed_is_put_back_and_nothing_is_held_on_to",
    ),
    "a taken name is not noticed": Mutation(
        "checks.py",
        "for stranger in facts.strangers:",
        "for stranger in ():",
        "test_reconcile.py::test_a_users_own_object_of_that_name_stays_untouched",
    ),
    "what vanished unseen stays known": Mutation(
        "listing.py",
        "for manifest in self._cache.vanished(kind, listed, known):",
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
