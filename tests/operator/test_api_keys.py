"""ApiKeys: how their tokens are made, replaced and taken back, whatever happens in between."""

import base64
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from smarter_operator.cluster import ClusterError, Manifest, Rejected, Unavailable
from smarter_operator.kinds import API_KEY, Kind
from support.fake_cluster import FakeCluster
from support.manifests import api_key, chatbot, provider
from support.operator_harness import Harness, virtual_now
from support.virtual_time import virtual_time

CALLS_TO_ISSUE = 3
CALLS_TO_ROTATE = 5
"""Status, Secret, status; and once the overlap is over: the old Secret, status."""

DEAD = Unavailable("the operator is dead")


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in manifests:
        cluster.create(manifest)
    return cluster


def harness(cluster: FakeCluster) -> Harness:
    return Harness(cluster)


def issued(cluster: FakeCluster, name: str = "backend") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("ApiKey", name).get("status", {}).get("issued", [])
    return found


def condition(cluster: FakeCluster, which: str, name: str = "backend") -> tuple[str, str]:
    found = {c["type"]: c for c in cluster.get("ApiKey", name).get("status", {}).get("conditions", [])}
    return (found[which]["status"], found[which]["reason"]) if which in found else ("", "")


def secrets(cluster: FakeCluster) -> dict[str, str]:
    """Return the digest of the token in each Secret."""
    found = {name: each for (kind, _, name), each in cluster.objects.items() if kind == "Secret"}
    tokens = {name: base64.b64decode(each["data"]["token"]) for name, each in found.items()}
    return {name: hashlib.sha256(token).hexdigest() for name, token in tokens.items()}


def valid(cluster: FakeCluster) -> list[dict[str, Any]]:
    """Return the entries whose token opens something at this moment."""
    now = virtual_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return [each for each in issued(cluster) if "secretName" in each and each.get("notAfter", "9") > now]


def rotated(cluster: FakeCluster, rotation: int, **spec: Any) -> None:
    cluster.edit("ApiKey", "backend", spec=api_key(generate={"rotation": rotation}, **spec)["spec"])


@virtual_time
async def test_a_token_is_made_and_its_secret_belongs_to_the_key() -> None:
    cluster = acme(api_key())
    async with harness(cluster):
        [entry] = issued(cluster)
        digest = entry["sha256"]
        assert entry == {"sha256": digest, "rotation": 1, "secretName": f"backend-{digest[:8]}"}
        assert secrets(cluster) == {f"backend-{digest[:8]}": digest}
        assert condition(cluster, "Issued") == ("True", "Issued")
        assert condition(cluster, "Ready") == ("True", "Ready")
    made = cluster.get("Secret", f"backend-{digest[:8]}")
    token = base64.b64decode(made["data"]["token"]).decode()
    assert token.startswith("smarter_")
    assert len(base64.urlsafe_b64decode(token.removeprefix("smarter_") + "=")) == 32
    assert made["type"] == "Opaque"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "smarter-operator"
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ApiKey", cluster.get("ApiKey", "backend")["metadata"]["uid"])
    assert [verb for verb, _, _ in cluster.writes] == ["status", "create", "status"]


@virtual_time
async def test_neither_status_nor_log_ever_shows_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    cluster = acme(api_key())
    cluster.refuse = _first(lambda verb: verb == "create", Rejected("exceeded quota"))
    async with harness(cluster) as running:
        await running.settle(60)
        rotated(cluster, 2)
        await running.settle()
        held = [base64.b64decode(each["data"]["token"]).decode() for each in _of_kind(cluster, "Secret")]
        assert len(held) == 2
        said = "".join([*(str(record.__dict__) for record in caplog.records), str(cluster.get("ApiKey", "backend"))])
    assert not [token for token in held if token.removeprefix("smarter_")[:12] in said]


def _of_kind(cluster: FakeCluster, kind: str) -> list[Manifest]:
    return [each for each in cluster.objects.values() if each["kind"] == kind]


def _first(applies: Callable[[str], bool], error: ClusterError) -> Callable[[str, Manifest], ClusterError | None]:
    """Return a refusal of the first call that `applies`."""
    left = [error]
    return lambda verb, manifest: left.pop() if left and applies(verb) else None


class Mortal(FakeCluster):
    """A cluster whose operator dies at a certain write: before it arrives, or before its answer does."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = 0
        self.arrives = False
        self.calls = 0
        self.is_dead = False
        self.wrong: list[str] = []

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._before()
        answer = await super().apply_status(kind, manifest)
        self._after()
        return answer

    async def create_object(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._before()
        answer = await super().create_object(kind, manifest)
        self._after()
        return answer

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", version: str = "") -> None:
        self._before()
        await super().delete(kind, namespace, name, uid, version)
        self._after()

    def _before(self) -> None:
        if self.is_dead:
            raise DEAD
        self.calls += 1
        if self.calls == self.dies_at and not self.arrives:
            self.is_dead = True
            raise DEAD

    def _after(self) -> None:
        self._look()
        if self.calls == self.dies_at:
            self.is_dead = True
            raise DEAD

    def _look(self) -> None:
        """Note what must not be after any single write."""
        names, now = secrets(self), virtual_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        alive = [each for each in issued(self) if "secretName" in each and each.get("notAfter", "9") > now]
        if [each for each in alive if names.get(each["secretName"]) != each["sha256"]]:
            self.wrong.append("a valid token is in no Secret")
        if condition(self, "Issued")[0] == "True" and issued(self)[0].get("secretName") not in names:
            self.wrong.append("Issued without a Secret")
        if len([each for each in alive if "notAfter" not in each]) > 1:
            self.wrong.append("two tokens that do not end")

    def mourn(self) -> None:
        self.is_dead, self.dies_at, self.calls = False, 0, 0


def tidy(cluster: FakeCluster) -> bool:
    """Tell whether there is exactly one Secret for each token, and no other."""
    return secrets(cluster) == {each["secretName"]: each["sha256"] for each in issued(cluster)}


@pytest.mark.parametrize("arrives", [pytest.param(False, id="before-it-arrives"), pytest.param(True, id="after-it")])
@pytest.mark.parametrize("call", range(1, CALLS_TO_ISSUE + 1))
@virtual_time
async def test_a_crash_at_any_call_of_a_first_issue_leaves_one_token(call: int, arrives: bool) -> None:
    cluster = Mortal()
    cluster.create(api_key())
    cluster.dies_at, cluster.arrives = call, arrives
    async with harness(cluster):
        assert cluster.is_dead, "the call was never made"
        assert len(valid(cluster)) <= 1
    cluster.mourn()
    async with harness(cluster):
        assert condition(cluster, "Issued") == ("True", "Issued")
        assert [each["rotation"] for each in valid(cluster)] == [1]
        assert tidy(cluster)
        assert cluster.wrong == []


@pytest.mark.parametrize("overlap", [0, 60])
@pytest.mark.parametrize("arrives", [pytest.param(False, id="before-it-arrives"), pytest.param(True, id="after-it")])
@pytest.mark.parametrize("call", range(1, CALLS_TO_ROTATE + 1))
@virtual_time
async def test_a_crash_at_any_call_of_a_rotation_leaves_what_was_asked_for(
    call: int, arrives: bool, overlap: int
) -> None:
    cluster = Mortal()
    cluster.create(api_key(overlapSeconds=overlap))
    async with harness(cluster) as running:
        [first] = issued(cluster)
        cluster.dies_at, cluster.arrives, cluster.calls = call, arrives, 0
        rotated(cluster, 2, overlapSeconds=overlap)
        await running.settle(overlap + 5)
        assert cluster.is_dead, "the call was never made"
        assert len(valid(cluster)) in (1, 2 if overlap else 1)
    cluster.mourn()
    async with harness(cluster) as running:
        newest = issued(cluster)[0]
        assert newest["rotation"] == 2
        assert newest["sha256"] != first["sha256"]
        assert tidy(cluster)
        await running.settle(overlap + 5)
        assert [each["sha256"] for each in issued(cluster)] == [newest["sha256"]]
        assert tidy(cluster)
        assert cluster.wrong == []


@pytest.mark.parametrize("call", range(1, CALLS_TO_ROTATE + 1))
@virtual_time
async def test_one_failed_call_is_made_good_by_the_same_operator(call: int) -> None:
    cluster = Mortal()
    cluster.create(api_key(overlapSeconds=20))
    async with harness(cluster) as running:
        made = [0]

        def refuse(verb: str, manifest: Manifest) -> ClusterError | None:
            made[0] += 1
            return Unavailable("the API server is away") if made[0] == call else None

        cluster.refuse = refuse
        rotated(cluster, 2, overlapSeconds=20)
        await running.settle(10)
        assert issued(cluster)[0]["rotation"] == 2
        await running.settle(60)
        assert made[0] > call
        assert [each["rotation"] for each in issued(cluster)] == [2]
        assert tidy(cluster)
        assert cluster.wrong == []


@virtual_time
async def test_an_old_token_outlives_a_rotation_for_the_overlap_and_then_its_secret_goes() -> None:
    cluster = acme(api_key(overlapSeconds=3600))
    async with harness(cluster) as running:
        rotated(cluster, 2, overlapSeconds=3600)
        await running.settle()
        new, old = issued(cluster)
        assert (new["rotation"], old["rotation"]) == (2, 1)
        assert old["notAfter"] == "2026-11-22T13:00:05Z"
        assert set(secrets(cluster)) == {new["secretName"], old["secretName"]}
        await running.settle(3500)
        assert len(issued(cluster)) == 2
        await running.settle(100)
        assert issued(cluster) == [new]
        assert set(secrets(cluster)) == {new["secretName"]}


@virtual_time
async def test_an_overlap_can_be_cut_short_and_is_never_prolonged() -> None:
    cluster = acme(api_key())
    async with harness(cluster) as running:
        rotated(cluster, 2)
        await running.settle()
        assert issued(cluster)[1]["notAfter"] == "2026-11-23T12:00:05Z"
        rotated(cluster, 2, overlapSeconds=604800)
        await running.settle()
        assert issued(cluster)[1]["notAfter"] == "2026-11-23T12:00:05Z"
        rotated(cluster, 2, overlapSeconds=0)
        await running.settle()
        assert [each["rotation"] for each in issued(cluster)] == [2]
        assert tidy(cluster)


@virtual_time
async def test_a_token_that_is_over_at_once_goes_although_no_event_tells_of_it() -> None:
    cluster = acme(api_key(overlapSeconds=0))
    async with harness(cluster) as running:
        # The answer to a write comes before its event, which then is no news.
        told, cluster.on_change = cluster.on_change, lambda kind, manifest, gone: None
        edited = cluster.edit("ApiKey", "backend", spec=api_key(generate={"rotation": 2}, overlapSeconds=0)["spec"])
        told(API_KEY, edited, False)
        await running.settle()
        assert [each["rotation"] for each in issued(cluster)] == [2]
        assert tidy(cluster)


@virtual_time
async def test_a_lower_rotation_makes_no_token_and_many_rotations_keep_to_the_limit_of_the_status() -> None:
    cluster = acme(api_key(generate={"rotation": 5}))
    async with harness(cluster) as running:
        [first] = issued(cluster)
        rotated(cluster, 4)
        await running.settle()
        assert issued(cluster) == [first]
        for rotation in range(6, 18):
            rotated(cluster, rotation)
            await running.settle()
        assert [each["rotation"] for each in issued(cluster)] == list(range(17, 9, -1))
        assert tidy(cluster)


@virtual_time
async def test_a_key_whose_digests_come_from_elsewhere_gives_up_the_tokens_it_made() -> None:
    cluster = acme(api_key(overlapSeconds=60))
    async with harness(cluster) as running:
        digests = [{"sha256": "0" * 64}]
        cluster.edit("ApiKey", "backend", spec=api_key(digests=digests, overlapSeconds=60)["spec"])
        await running.settle()
        assert [each["notAfter"] for each in issued(cluster)] == ["2026-11-22T12:01:05Z"]
        assert condition(cluster, "Issued") == ("True", "MadeElsewhere")
        await running.settle(70)
        assert issued(cluster) == []
        assert secrets(cluster) == {}


@virtual_time
async def test_a_refused_secret_is_a_reason_and_is_tried_again_with_the_same_digest() -> None:
    cluster = acme(api_key())
    refused = Rejected("exceeded quota: secrets")
    cluster.refuse = lambda verb, manifest: refused if verb == "create" else None
    async with harness(cluster) as running:
        assert condition(cluster, "Issued") == ("False", "SecretRefused")
        assert condition(cluster, "Ready") == ("False", "SecretRefused")
        before = cluster.get("ApiKey", "backend")
        await running.settle(300)
        assert cluster.get("ApiKey", "backend") == before
        assert valid(cluster) == []
        cluster.refuse = lambda verb, manifest: None
        await running.settle(20)
        assert condition(cluster, "Issued") == ("True", "Issued")
        assert tidy(cluster)


@virtual_time
async def test_a_restart_over_issued_keys_writes_nothing() -> None:
    cluster = acme(provider(), chatbot(), api_key(), api_key("other", digests=[{"sha256": "1" * 64}]))
    async with harness(cluster) as running:
        await running.settle(30)
    cluster.writes.clear()
    async with harness(cluster) as running:
        await running.settle(200)
    assert [write for write in cluster.writes if write[1] in ("ApiKey", "Secret")] == []


@virtual_time
async def test_the_chatbots_that_a_key_opens_are_counted() -> None:
    elsewhere = chatbot("far", namespace="elsewhere")
    cluster = acme(chatbot("a"), chatbot("b"), elsewhere, api_key(), api_key("one", scope=_listed("a", "c")))
    async with harness(cluster) as running:
        await running.settle(20)
        assert cluster.status("ApiKey", "backend")["usedBy"] == 2
        assert cluster.status("ApiKey", "one")["usedBy"] == 1
        assert condition(cluster, "Ready", "one") == ("False", "ChatbotNotFound")
        cluster.create(chatbot("c"))
        await running.settle(20)
        assert cluster.status("ApiKey", "backend")["usedBy"] == 3
        assert cluster.status("ApiKey", "one")["usedBy"] == 2
        assert condition(cluster, "Ready", "one") == ("True", "Ready")


def _listed(*names: str) -> dict[str, Any]:
    return {"type": "Listed", "chatbots": list(names)}


@pytest.mark.parametrize(
    ("spec", "accepted", "ready"),
    [
        pytest.param({}, ("True", "Accepted"), ("True", "Ready"), id="usable"),
        pytest.param({"disabled": True}, ("True", "Accepted"), ("True", "Disabled"), id="disabled"),
        pytest.param(
            {"expiresAt": "2026-11-22T11:00:00Z"}, ("True", "Accepted"), ("False", "Expired"), id="expired"
        ),
        pytest.param(
            {"digests": [{"sha256": "0" * 64, "notAfter": "2026-11-22T11:00:00Z"}]},
            ("True", "Accepted"), ("False", "Expired"), id="all-digests-expired",
        ),
        pytest.param(
            {"digests": [{"sha256": "0" * 64, "notAfter": "2026-11-22T11:00:00Z"}, {"sha256": "1" * 64}]},
            ("True", "Accepted"), ("True", "Ready"), id="one-digest-expired",
        ),
        pytest.param(
            {"limits": {"tokensPerDay": 5}}, ("True", "Accepted"), ("True", "Ready"), id="limits"
        ),
        pytest.param({"expiresAt": "2026-11-22T11:00:00"}, ("False", "Invalid"), ("False", "Invalid"), id="no-zone"),
    ],
)  # fmt: skip
@virtual_time
async def test_the_conditions_say_whether_a_key_works(
    spec: dict[str, Any], accepted: tuple[str, str], ready: tuple[str, str]
) -> None:
    cluster = acme(api_key(**spec))
    async with harness(cluster):
        assert condition(cluster, "Accepted") == accepted
        assert condition(cluster, "Ready") == ready
        assert set(secrets(cluster)) == {each["secretName"] for each in issued(cluster)}


@virtual_time
async def test_a_key_says_by_itself_that_its_time_is_over() -> None:
    cluster = acme(api_key(expiresAt="2026-11-22T13:00:00Z"))
    async with harness(cluster) as running:
        assert condition(cluster, "Ready") == ("True", "Ready")
        await running.settle(3700)
        assert condition(cluster, "Ready") == ("False", "Expired")


@virtual_time
async def test_a_name_that_leaves_no_room_for_its_secret_is_refused() -> None:
    cluster = acme(api_key("k" * 245), api_key("m" * 244))
    async with harness(cluster):
        assert condition(cluster, "Accepted", "k" * 245) == ("False", "NameTooLong")
        assert condition(cluster, "Issued", "m" * 244) == ("True", "Issued")
