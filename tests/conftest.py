import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster-name", default="", help="name of the local cluster, so that two runs can go side by side"
    )
