"""Faults on a real API server: `--rounds` says how many."""

import inspect
from pathlib import Path

import pytest

from support.fault_scene import scene
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

__all__ = [
    "api",
    "cluster",
    "data_plane",
    "installed",
    "kubectl",
    "namespace",
    "operator",
    "operator_kubeconfig",
    "scene",
    "webhook",
]

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=6, help="how often the operator is killed")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--rounds", default=6))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all tests here, for they share the stand-in that runs in it."""
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
