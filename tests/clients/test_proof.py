"""What solves the chat page's challenges, in a JavaScript engine without a browser around it."""

import asyncio
import hashlib
import json
from asyncio.subprocess import PIPE

import pytest

from smarter_runtime.page import STATIC

RUN = """
let done;
globalThis.postMessage = (solution) => (done = solution);
(0, eval)(require("fs").readFileSync(process.argv[1], "utf8"));
const [challenges, difficulty] = JSON.parse(process.argv[2]);
console.log(JSON.stringify(challenges.map((challenge) => (onmessage({ data: { challenge, difficulty } }), done))));
"""


async def solutions(challenges: list[str], difficulty: int) -> list[str]:
    told = json.dumps([challenges, difficulty])
    process = await asyncio.create_subprocess_exec(
        "node", "-e", RUN, str(STATIC / "proof.js"), told, stdout=PIPE, stderr=PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    found: list[str] = json.loads(output)
    return found


@pytest.mark.parametrize("difficulty", [0, 1, 11])
async def test_it_finds_the_first_number_that_solves_a_challenge_of_any_length(difficulty: int) -> None:
    challenges = ["x" * length for length in (0, 1, 45, 53, 54, 55, 62, 63, 64, 95, 127, 128, 200)]
    found = await solutions(challenges, difficulty)
    assert found == [first(challenge, difficulty) for challenge in challenges]


def first(challenge: str, difficulty: int) -> str:
    number = 0
    while int.from_bytes(hashlib.sha256(f"{challenge}:{number}".encode()).digest()) >> (256 - difficulty):
        number += 1
    return str(number)
