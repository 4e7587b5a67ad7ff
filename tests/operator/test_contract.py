"""The page of promises, and the list of safeguards that are taken out, name what exists."""

import re
from pathlib import Path

import pytest

from support.mutations import MUTATIONS, PACKAGE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
SECTIONS = {
    int(number): text for number, text in re.findall(r"^## (\d+)\.(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
PROOFS = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_there_are_sixteen_promises() -> None:
    assert sorted(SECTIONS) == list(range(1, 17))


@pytest.mark.parametrize("number", SECTIONS)
def test_a_promise_has_a_proof_and_a_figure_or_says_that_there_is_none(number: int) -> None:
    assert "`tests/" in SECTIONS[number]
    assert re.search(r"^Measured: (.*[0-9]|not yet\.$)", SECTIONS[number], re.MULTILINE)


@pytest.mark.parametrize("proof", [proof for proof in PROOFS if "." in proof])
def test_a_proof_exists(proof: str) -> None:
    file, _, test = proof.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE) if test else text


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_safeguard_that_is_taken_out_in_the_long_runs_is_still_where_it_was(name: str) -> None:
    mutation = MUTATIONS[name]
    found = (PACKAGE / mutation.module).read_text(encoding="utf-8").count(mutation.text)
    assert found == 1, f"{mutation.module} has changed; adapt the mutation in tests/support/mutations.py"
    file, test = mutation.test.split("::")
    assert f"def {test}(" in (ROOT / "tests" / "operator" / file).read_text(encoding="utf-8")
