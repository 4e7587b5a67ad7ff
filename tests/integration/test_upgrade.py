"""From the release before to this one and back: what becomes of the bots' pods."""

import asyncio
import hashlib
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.api import Manifest, eventually
from support.operator_process import OperatorProcess
from support.real_api import ROOT
from support.release_place import Place, make_bots

ARCHIVE = Path(__file__).parent / "previous" / "first-path.tar.xz"
COMMIT = "b78336c"
"""What the archive was made of."""

ADMITTED = {
    ("spec", "volumes", "data"): "for their pods get a volume for what they keep",
    ("spec", "containers", "runtime", "volumeMounts", "data"): "for their pods get a volume for what they keep",
    ("spec", "topologySpreadConstraints"): "Pods are spread over nodes where possible. This changes the pods' template",
    ("spec", "volumes", "config"): "Bots restart once with this release, for their pods mount the keys",
    ("spec", "volumes", "secrets"): "Bots restart once with this release, for their pods mount it",
    ("spec", "containers", "runtime", "volumeMounts", "secrets"): "a signing key of its own, in the Secret that",
}
"""In which parts of their template pods of the release before may differ, and what the changelog says of it."""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release before this one."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def differences(one: Any, other: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return where two templates differ; an element of a list is found by its name."""
    one, other = (_by_name(value) if isinstance(value, list) else value for value in (one, other))
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {path}
    missing = object()
    members = [(key, one.get(key, missing), other.get(key, missing)) for key in one.keys() | other.keys()]
    return {found for key, left, right in members for found in differences(left, right, (*path, key))}


def _by_name(values: list[Any]) -> Any:
    named = all(isinstance(value, dict) and "name" in value for value in values)
    return (
        {value["name"]: value for value in values}
        if named
        else {str(place): value for place, value in enumerate(values)}
    )


def not_admitted(before: dict[str, Manifest], after: dict[str, Manifest]) -> list[str]:
    """Return in what else than the admitted parts the templates differ."""
    found = {(bot, path) for bot in before for path in differences(before[bot], after[bot])}
    return sorted(f"{bot}: {'.'.join(path)}" for bot, path in found if not any(path[: len(p)] == p for p in ADMITTED))


async def test_an_upgrade_and_the_way_back_change_of_the_pods_what_the_changelog_says_and_no_more(
    place: Place, previous: Path
) -> None:
    code = (previous / "operator", previous / "crds")
    old = replace(place, charts=previous / "charts", code=code)
    old.install()
    operator = await old.operator()
    try:
        await make_bots(place.api)
        await old.settled()
        for release in (place, old):
            templates, pods = await place.templates(), await place.pods()
            release.install()
            assert await operator.stop() == 0
            operator = await release.operator()
            await eventually(lambda operator=operator: _has_rested(operator), 60)  # type: ignore[misc]
            await release.settled()
            now = await place.templates()
            assert not_admitted(templates, now) == []
            assert await place.pods() == pods or now != templates, "pods were replaced without a reason"
    finally:
        await operator.stop()


async def _has_rested(operator: OperatorProcess) -> bool:
    """Tell whether the operator has written nothing for some seconds, and has nothing to do."""
    before = await _counted(operator)
    await asyncio.sleep(3)
    return before == await _counted(operator)


async def _counted(operator: OperatorProcess) -> list[str]:
    lines = (await operator.metrics()).splitlines()
    counted = [line for line in lines if line.startswith("smarter_api_requests_total") and 'verb="GET"' not in line]
    return counted + [line for line in lines if line.startswith(("smarter_queue_depth", "smarter_reconcile_total"))]


@pytest.mark.parametrize("path", ADMITTED, ids=".".join)
def test_what_an_upgrade_changes_of_pods_stands_in_the_changelog(path: tuple[str, ...]) -> None:
    text = " ".join((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split())
    assert ADMITTED[path] in text


def test_the_archive_is_what_the_history_has() -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", COMMIT, "operator/smarter_operator", "crds/smarter_crds", "charts"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("the history of the repository is not here")
    wanted = {line.partition("\t")[2]: line.split()[2] for line in listed.stdout.splitlines()}
    with tarfile.open(ARCHIVE) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        found = {name: _blob(file.read()) for name, file in files.items() if file}
    assert found == wanted


def _blob(content: bytes) -> str:
    """Return the name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
