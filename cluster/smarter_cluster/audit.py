"""The API server's own record of what one user asked for, when a cluster is made with one."""

import json
from pathlib import Path

from smarter_cluster import files
from smarter_cluster.site import Site

MAX_MEGABYTES = 2000
"""So large, that the record of one test run is never split."""


def log(site: Site) -> Path:
    """Where the record lies: one JSON object per line."""
    return site.folder / "audit.log"


def options(site: Site) -> dict[str, object]:
    """The API server's options for it; none when nobody is audited."""
    if not site.record.audited:
        return {}
    return {
        "audit-policy-file": _policy(site),
        "audit-log-path": log(site),
        # An answer is given only after it was recorded, so that the record is complete at any moment.
        "audit-log-mode": "blocking",
        "audit-log-maxsize": MAX_MEGABYTES,
    }


def write_policy(site: Site) -> None:
    """Write what is recorded: who, what and how it ended, but no contents."""
    rules = [{"level": "Metadata", "users": [site.record.audited]}, {"level": "None"}]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    files.write(_policy(site), json.dumps(policy))


def _policy(site: Site) -> Path:
    return site.folder / "audit-policy.json"
