"""Takes single safeguards out of a copy of the operator, and sees the test that is named for each fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.mutations import MUTATIONS, PACKAGE

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long

TESTS_FAILED = 1
"""pytest's exit code for failed tests; a program that does not even load has another."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_test_that_is_named_notices_the_missing_safeguard(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mutation = MUTATIONS[name]
    package = tmp_path / "smarter_operator"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    module = package / mutation.module
    text = module.read_text(encoding="utf-8")
    module.write_text(text.replace(mutation.text, mutation.instead), encoding="utf-8")
    verdict, output = _verdict(mutation.test, tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\n{name:45} → {mutation.test.split('::')[1]}: {verdict}")
    assert verdict != "SURVIVED", f"the mutation survived:\n{output}"


@pytest.mark.parametrize("test", sorted({mutation.test for mutation in MUTATIONS.values()}))
def test_the_named_test_passes_with_the_operator_as_it_is(test: str) -> None:
    result = _run(test, PACKAGE.parent)
    assert result.returncode == 0, result.stdout[-3000:]


def _verdict(test: str, path: Path) -> tuple[str, str]:
    """Return what became of a mutation, and what the test printed. Without a safeguard work may also never end."""
    try:
        result = _run(test, path)
    except subprocess.TimeoutExpired:
        return "hung", ""
    verdict = "killed" if result.returncode == TESTS_FAILED else "SURVIVED"
    return verdict, result.stdout[-3000:] + result.stderr[-1000:]


def _run(test: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run one test with the operator that lies at `path`."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/operator/{test}"]
    environment = {**os.environ, "PYTHONPATH": str(path)}  # noqa: TID251
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
