"""Tests against a real API server."""

import inspect
from pathlib import Path

import pytest

from support.permissions import DESELECTED
from support.real_api import (
    api,
    cluster,
    data_plane,
    installed,
    kubectl,
    namespace,
    operator,
    operator_kubeconfig,
    webhook,
)
from support.release_place import place, release_cluster

__all__ = [
    "api",
    "cluster",
    "data_plane",
    "installed",
    "kubectl",
    "namespace",
    "operator",
    "operator_kubeconfig",
    "place",
    "release_cluster",
    "webhook",
]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all tests here, for they share the stand-in that runs in it."""
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    # What the others made the operator do is judged when all of it is done.
    items.sort(key=lambda item: item.path == HERE / "test_rbac.py")


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items[:1]:
        item.config.stash[DESELECTED] = True
