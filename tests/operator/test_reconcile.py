import asyncio
from typing import Any

import pytest

from smarter_operator.cluster import Manifest, Rejected, Unavailable
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in (provider(), *manifests):
        cluster.create(manifest)
    return cluster


async def serving(harness: Harness, bot: str = "support") -> None:
    """Bring the bot to Ready."""
    harness.run_pod(bot)
    harness.deploy(bot)
    harness.route(bot)
    await harness.settle()
    assert harness.cluster.condition(bot, "Ready") == ("True", "Ready")


@virtual_time
async def test_a_chatbot_becomes_its_children() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        made = {(kind, name) for kind, _, name in harness.cluster.objects if kind not in ("Chatbot", "Provider")}
        session_secret = harness.cluster.status("Chatbot", "support")["sessionSecret"]
    certificates = {name for kind, name in made if kind == "Certificate"}
    assert len(certificates) == 1
    assert made == {
        ("ServiceAccount", "support"),
        ("ConfigMap", "support-config"),
        ("Deployment", "support"),
        ("Service", "support"),
        ("Ingress", "support"),
        ("NetworkPolicy", "support"),
        ("PodMonitor", "support"),
        ("Secret", session_secret),
        ("HostClaim", "support.acme.example"),
        *(("Certificate", name) for name in certificates),
    }


@virtual_time
async def test_creating_takes_one_write_per_child_and_two_of_status() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        of_bot = [write for write in harness.cluster.writes if write[1] != "Provider"]
    assert [verb for verb, _, _ in of_bot].count("apply") == 8
    assert of_bot.count(("status", "Chatbot", "support")) == 2
    assert of_bot.count(("create", "HostClaim", "support.acme.example")) == 1
    assert [kind for verb, kind, _ in of_bot if verb == "create"] == ["HostClaim", "Secret"]
    assert len(of_bot) == 12


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param({}, 1.0, id="can-be-served"),
        pytest.param({"plugins": [{"name": "gone"}]}, 1.0, id="can-be-served-in-part"),
        pytest.param({"model": {"providerRef": {"name": "gone"}}}, 0.0, id="cannot"),
    ],
)
@virtual_time
async def test_the_first_status_of_a_bot_that_can_be_served_waits_for_what_its_children_say(
    spec: dict[str, Any], seconds: float
) -> None:
    cluster, status = acme(), ("status", "Chatbot", "support")
    async with Harness(cluster) as harness:
        cluster.create(chatbot(**spec))
        await harness.settle(0.9)
        assert (status in cluster.writes) == (seconds == 0)
        await harness.settle(0.2)
        assert cluster.writes.count(status) == 1


@pytest.mark.parametrize("answer_after_seconds", [0, 20], ids=["pods-answer-at-once", "pods-take-their-time"])
@virtual_time
async def test_a_second_operator_over_converged_chatbots_writes_nothing(answer_after_seconds: float) -> None:
    cluster = acme(plugin(), chatbot(exposure=exposed(), plugins=[{"name": "returns"}]))
    async with Harness(cluster) as harness:
        await serving(harness)
        answers = harness.pods.answers
    cluster.writes.clear()
    harness = Harness(cluster)
    harness.pods.answers = answers
    harness.pods.answer_after_seconds = answer_after_seconds
    async with harness:
        await harness.settle(200)
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("kind", "name", "drift"),
    [
        pytest.param("Deployment", "support", {"spec": {"replicas": 7}}, id="deployment"),
        pytest.param("Service", "support", {"spec": {"ports": []}}, id="service"),
        pytest.param("ConfigMap", "support-config", {"binaryData": {}}, id="config-map"),
        pytest.param("ServiceAccount", "support", {"automountServiceAccountToken": True}, id="service-account"),
        pytest.param("Ingress", "support", {"spec": {"rules": []}}, id="ingress"),
        pytest.param("NetworkPolicy", "support", {"spec": {"egress": [{}]}}, id="network-policy"),
    ],
)
@virtual_time
async def test_a_changed_child_is_put_right(kind: str, name: str, drift: dict[str, Any]) -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        wanted = {member: harness.cluster.get(kind, name)[member] for member in drift}
        harness.cluster.edit(kind, name, **drift)
        await harness.settle()
        assert {member: harness.cluster.get(kind, name)[member] for member in drift} == wanted


@virtual_time
async def test_a_deleted_child_comes_back() -> None:
    async with Harness(acme(chatbot())) as harness:
        harness.cluster.remove("Service", "support")
        await harness.settle()
        assert harness.cluster.get("Service", "support")["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize(
    ("kind", "name"), [("Service", "support"), ("ConfigMap", "support-config"), ("Deployment", "support")]
)
@virtual_time
async def test_a_users_own_object_of_that_name_stays_untouched(kind: str, name: str) -> None:
    api_version = "apps/v1" if kind == "Deployment" else "v1"
    own = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {"mine": True}}
    cluster = acme(own)
    before, known = cluster.get(kind, name), set(cluster.objects)
    cluster.create(chatbot())
    async with Harness(cluster) as harness:
        assert harness.cluster.get(kind, name) == before
        assert harness.cluster.condition("support", "Accepted") == ("False", "NameTaken")
        assert set(cluster.objects) == {*known, ("Chatbot", "acme", "support")}, "what was made is taken back"
        cluster.writes.clear()
        await harness.settle(60)
        assert cluster.writes == [], "it is not tried again while the name is taken"
        harness.cluster.remove(kind, name)
        await harness.settle(60)
        assert harness.cluster.condition("support", "Accepted") == ("True", "Accepted")


@virtual_time
async def test_a_child_that_somebody_replaced_unseen_is_not_taken_over() -> None:
    async with Harness(acme(chatbot())) as harness:
        cluster, tell = harness.cluster, harness.cluster.on_change
        cluster.on_change = lambda kind, manifest, gone: None
        del cluster.objects["Deployment", "acme", "support"]
        own = cluster.create(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "support"}, "spec": {}}
        )
        cluster.on_change = tell
        cluster.edit("Chatbot", "support", spec=chatbot(resources={"requests": {"cpu": "1"}})["spec"])
        await harness.settle()
        assert cluster.get("Deployment", "support") == own


@virtual_time
async def test_what_is_set_without_effect_is_said_and_harms_nothing() -> None:
    tls = {"mode": "Disabled", "issuerRef": {"name": "mine"}}
    async with Harness(acme(chatbot(exposure={"hosts": ["a.example"], "tls": tls}))) as harness:
        conditions = {c["type"]: c for c in harness.cluster.status("Chatbot", "support")["conditions"]}
        assert conditions["Accepted"]["status"] == "True"
        assert "`spec.exposure.tls.issuerRef`" in conditions["Accepted"]["message"]


@virtual_time
async def test_a_chatbot_that_is_not_exposed_any_more_names_no_url() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        assert harness.cluster.status("Chatbot", "support")["url"] == "https://support.acme.example"
        harness.cluster.edit("Chatbot", "support", spec=chatbot()["spec"])
        await harness.settle()
        assert "url" not in harness.cluster.status("Chatbot", "support")


@virtual_time
async def test_a_missing_plugin_is_left_out_and_reported_while_the_rest_serves() -> None:
    cluster = acme(plugin("returns"), chatbot(plugins=[{"name": "returns"}, {"name": "orders"}]))
    async with Harness(cluster) as harness:
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        assert cluster.condition("support", "PluginsResolved") == ("False", "PluginNotFound")
        assert cluster.condition("support", "Ready") == ("False", "PluginNotFound")
        assert [p["name"] for p in cluster.status("Chatbot", "support")["plugins"]] == ["returns"]
        cluster.create(plugin("orders"))
        await harness.settle()
        assert cluster.condition("support", "PluginsResolved") == ("True", "Resolved")
        assert [p["name"] for p in cluster.status("Chatbot", "support")["plugins"]] == ["returns", "orders"]


@virtual_time
async def test_a_plugin_edit_reaches_the_chatbots_that_use_it_and_no_other() -> None:
    cluster = acme(plugin(), chatbot("support", plugins=[{"name": "returns"}]), chatbot("other"))
    async with Harness(cluster) as harness:
        before, other = harness.served("support"), harness.served("other")
        cluster.writes.clear()
        cluster.edit("Plugin", "returns", spec=plugin(static={"data": {"window": "60 days"}})["spec"])
        await harness.settle()
        assert harness.served("support") != before
        assert harness.served("other") == other
        assert [write for write in cluster.writes if write[0] == "apply"] == [("apply", "ConfigMap", "support-config")]


@virtual_time
async def test_a_new_chatbot_is_made_before_those_that_an_edited_plugin_changes() -> None:
    users = [chatbot(f"user-{number}", plugins=[{"name": "returns"}]) for number in range(30)]
    async with Harness(acme(plugin(), *users)) as harness:
        cluster = harness.cluster
        await harness.settle()
        cluster.writes.clear()
        cluster.edit("Plugin", "returns", spec=plugin(static={"data": {"window": "60 days"}})["spec"])
        cluster.create(chatbot("new"))
        await harness.settle()
        order = [name for verb, kind, name in cluster.writes if verb == "apply" and kind == "ConfigMap"]
        assert len(order) == 31
        assert order.index("new-config") < 2


@virtual_time
async def test_an_edit_that_makes_the_bot_unacceptable_leaves_the_last_good_config_serving() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        good = harness.served("support")
        harness.cluster.edit("Chatbot", "support", spec=chatbot(timeZone="Nowhere", exposure=exposed())["spec"])
        await harness.settle()
        assert harness.cluster.condition("support", "Accepted") == ("False", "InvalidTimeZone")
        assert harness.cluster.condition("support", "ConfigLive") == ("True", "Live")
        assert harness.served("support") == good
        assert harness.cluster.get("Ingress", "support")["spec"]["rules"][0]["host"] == "support.acme.example"


@virtual_time
async def test_a_config_is_live_only_when_every_pod_says_so() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        old = harness.served("support")
        harness.cluster.edit("Chatbot", "support", spec=chatbot(systemPrompt="New.", exposure=exposed())["spec"])
        await harness.settle(5)
        assert harness.served("support") != old
        assert harness.cluster.condition("support", "ConfigLive") == ("False", "OldConfig")
        assert harness.cluster.condition("support", "Ready") == ("False", "OldConfig")
        nudges = [write for write in harness.cluster.writes if write[0] == "nudge"]
        assert 2 <= len(nudges) <= 4
        harness.answer("10.0.0.1", "pod-support-0", harness.served("support"))
        await harness.settle(10)
        assert harness.cluster.condition("support", "ConfigLive") == ("True", "Live")
        assert harness.cluster.condition("support", "Ready") == ("True", "Ready")


@virtual_time
async def test_an_edit_that_goes_live_at_once_costs_the_config_a_nudge_and_one_status() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        harness.cluster.writes.clear()
        harness.cluster.edit("Chatbot", "support", spec=chatbot(systemPrompt="New.", exposure=exposed())["spec"])
        await asyncio.sleep(0.05)
        harness.answer("10.0.0.1", "pod-support-0", harness.served("support"))
        await harness.settle()
        assert harness.cluster.writes == [
            ("apply", "ConfigMap", "support-config"),
            ("nudge", "Pod", "support-0"),
            ("status", "Chatbot", "support"),
        ]
        assert harness.cluster.status("Chatbot", "support")["observedGeneration"] == 2
        assert "good" in harness.cluster.get("ConfigMap", "support-config")["binaryData"]


@virtual_time
async def test_a_pod_that_cannot_be_asked_makes_the_config_unknown_and_does_not_block_ready() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        harness.pods.answers.clear()
        await harness.settle(120)
        assert harness.cluster.condition("support", "ConfigLive") == ("Unknown", "Unreachable")
        assert harness.cluster.condition("support", "Ready") == ("True", "Ready")


@virtual_time
async def test_a_pod_that_is_silent_for_a_day_is_heard_as_soon_as_it_answers() -> None:
    async with Harness(acme(chatbot())) as harness:
        address = harness.run_pod("support")
        harness.pods.answers.clear()
        await harness.settle(24 * 3600)
        assert harness.cluster.condition("support", "ConfigLive") == ("Unknown", "Unreachable")
        harness.answer(address, "pod-support-0", harness.served("support"))
        await harness.settle(10)
        assert harness.cluster.condition("support", "ConfigLive") == ("True", "Live")


@virtual_time
async def test_an_answer_of_another_pod_at_the_same_address_does_not_count() -> None:
    async with Harness(acme(chatbot())) as harness:
        address = harness.run_pod("support")
        harness.answer(address, "another-pod", harness.served("support"))
        await harness.settle()
        assert harness.cluster.condition("support", "ConfigLive") == ("Unknown", "Unreachable")


@virtual_time
async def test_a_problem_that_a_pod_reports_stands_in_the_status() -> None:
    async with Harness(acme(chatbot())) as harness:
        problem = ("SecretMissing", "Secret 'openai' has no key 'api-key'.")
        harness.run_pod("support", problems=[problem])
        harness.deploy("support")
        await harness.settle()
        assert harness.cluster.condition("support", "Available") == ("False", "SecretMissing")


@virtual_time
async def test_offline_keeps_host_and_certificate_and_removes_pods_and_route() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        harness.cluster.edit("Chatbot", "support", spec=chatbot(state="Offline", exposure=exposed())["spec"])
        harness.route("support")
        await harness.settle()
        left = {kind for kind, _, _ in harness.cluster.objects}
        assert left == {
            "Chatbot",
            "Provider",
            "ServiceAccount",
            "ConfigMap",
            "NetworkPolicy",
            "Certificate",
            "Secret",
            "HostClaim",
        }
        assert harness.cluster.condition("support", "Ready") == ("True", "Offline")


@virtual_time
async def test_maintenance_is_a_config_and_all_else_stays() -> None:
    async with Harness(acme(chatbot(exposure=exposed()))) as harness:
        await serving(harness)
        before = set(harness.cluster.objects)
        harness.cluster.writes.clear()
        harness.cluster.edit("Chatbot", "support", spec=chatbot(state="Maintenance", exposure=exposed())["spec"])
        await asyncio.sleep(0.05)
        harness.answer("10.0.0.1", "pod-support-0", harness.served("support"))
        await harness.settle()
        assert harness.cluster.condition("support", "Ready") == ("True", "Maintenance")
        assert harness.cluster.status("Chatbot", "support")["state"] == "Maintenance"
        assert set(harness.cluster.objects) == before
        assert harness.cluster.writes == [
            ("apply", "ConfigMap", "support-config"),
            ("nudge", "Pod", "support-0"),
            ("status", "Chatbot", "support"),
        ]


@virtual_time
async def test_a_network_policy_that_is_switched_off_goes() -> None:
    async with Harness(acme(chatbot())) as harness:
        assert ("NetworkPolicy", "acme", "support") in harness.cluster.objects
        harness.cluster.edit("Chatbot", "support", spec=chatbot(networkPolicy={"enabled": False})["spec"])
        await harness.settle()
        assert ("NetworkPolicy", "acme", "support") not in harness.cluster.objects


@virtual_time
async def test_a_host_that_is_no_longer_asked_for_loses_its_certificate() -> None:
    async with Harness(acme(chatbot(exposure=exposed("old.example")))) as harness:
        harness.cluster.edit("Chatbot", "support", spec=chatbot(exposure=exposed("new.example"))["spec"])
        await harness.settle()
        certificates = [m for (kind, _, _), m in harness.cluster.objects.items() if kind == "Certificate"]
        assert [c["spec"]["dnsNames"] for c in certificates] == [["new.example"]]


@virtual_time
async def test_what_admission_refuses_is_a_reason_and_the_other_children_are_made() -> None:
    cluster = acme(chatbot())
    refusal = Rejected("cannot patch Service: exceeded quota: services=5")
    cluster.refuse = lambda verb, manifest: refusal if manifest.get("kind") == "Service" else None
    async with Harness(cluster) as harness:
        assert harness.cluster.condition("support", "Available") == ("False", "ApplyRefused")
        assert ("apply", "Deployment", "support") in cluster.writes
        cluster.refuse = lambda verb, manifest: None
        await harness.settle(60)
        assert ("Service", "acme", "support") in cluster.objects


@virtual_time
async def test_a_child_that_admission_does_not_let_go_is_a_reason_and_the_others_go() -> None:
    cluster = acme(chatbot(exposure=exposed()))
    async with Harness(cluster) as harness:
        refusal = Rejected("cannot delete Ingress: ask the platform team")
        cluster.refuse = lambda verb, manifest: (
            refusal if (verb, manifest.get("kind")) == ("delete", "Ingress") else None
        )
        cluster.edit("Chatbot", "support", spec=chatbot(exposure={"type": "None"})["spec"])
        await harness.settle()
        assert cluster.condition("support", "Ready") == ("False", "DeleteRefused")
        assert [kind for kind, _, _ in cluster.objects if kind in ("Ingress", "Certificate")] == ["Ingress"]
        cluster.refuse = lambda verb, manifest: None
        await harness.settle(60)
        assert ("Ingress", "acme", "support") not in cluster.objects


@virtual_time
async def test_a_refusal_longer_than_a_condition_may_be_is_cut() -> None:
    cluster = acme(chatbot())
    refusal = Rejected("no " * 20_000)
    cluster.refuse = lambda verb, manifest: refusal if manifest.get("kind") == "Service" else None
    async with Harness(cluster):
        conditions = cluster.get("Chatbot", "support")["status"]["conditions"]
        said = {condition["reason"]: condition["message"] for condition in conditions}["ApplyRefused"]
        assert (len(said), said[-1]) == (32768, "…")


@virtual_time
async def test_an_api_server_that_is_away_is_tried_again_until_it_answers() -> None:
    cluster = acme(chatbot())
    cluster.refuse = lambda verb, manifest: Unavailable("no answer")
    async with Harness(cluster) as harness:
        assert cluster.writes == []
        cluster.refuse = lambda verb, manifest: None
        await harness.settle(60)
        assert ("Deployment", "acme", "support") in cluster.objects


@virtual_time
async def test_a_chatbot_made_anew_under_its_old_name_waits_for_the_old_children_to_go() -> None:
    cluster = acme(chatbot())
    async with Harness(cluster) as harness:
        old = cluster.get("Deployment", "support")["metadata"]["uid"]
        cluster.remove("Chatbot", "support")
        cluster.create(chatbot())
        await harness.settle()
        assert cluster.condition("support", "Accepted") == ("False", "NameTaken")
        assert cluster.get("Deployment", "support")["metadata"]["uid"] == old
        for kind, name in [(k, n) for k, _, n in cluster.objects if k not in ("Chatbot", "Provider")]:
            cluster.remove(kind, name)
        await harness.settle(60)
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")


@virtual_time
async def test_the_status_of_a_predecessor_is_not_written_to_its_successor() -> None:
    async with Harness(acme(chatbot())) as harness:
        cluster, tell = harness.cluster, harness.cluster.on_change
        cluster.on_change = lambda kind, manifest, gone: None
        cluster.remove("Chatbot", "support")
        successor = cluster.create(chatbot())
        cluster.on_change = tell
        harness.deploy("support")
        await harness.settle()
        assert cluster.get("Chatbot", "support") == successor


@virtual_time
async def test_plugins_and_providers_say_whether_they_are_usable_and_how_many_use_them() -> None:
    cluster = acme(plugin(), chatbot("a", plugins=[{"name": "returns"}]), chatbot("b", plugins=[{"name": "returns"}]))
    async with Harness(cluster) as harness:
        await harness.settle(30)
        status = cluster.status("Plugin", "returns")
        assert (status["usedBy"], status["type"]) == (2, "Static")
        assert [(c["type"], c["status"]) for c in status["conditions"]] == [
            ("Accepted", "True"),
            ("ConnectionResolved", "True"),
            ("Ready", "True"),
        ]
        assert cluster.status("Provider", "demo")["usedBy"] == 2


@virtual_time
async def test_what_vanished_while_a_watch_was_cut_is_missed_as_soon_as_it_lists_anew() -> None:
    cluster = acme(chatbot())
    async with Harness(cluster) as harness:
        await harness.settle(20)
        cluster.on_change = lambda kind, manifest, gone: None
        del cluster.objects["Service", "acme", "support"]
        harness.engine.relisted()
        await harness.settle(5)
        assert ("Service", "acme", "support") in cluster.objects


@virtual_time
async def test_a_child_of_a_kind_that_just_arrived_is_missed_soon_although_nobody_watched_it() -> None:
    cluster = acme(chatbot(exposure=exposed()))
    cluster.missing_apis.add("Certificate")
    async with Harness(cluster) as harness:
        await harness.settle(20)
        cluster.missing_apis.clear()
        made: list[tuple[str, str, str]] = []
        for _ in range(300):
            await harness.settle(0.1)
            made = [key for key in cluster.objects if key[0] == "Certificate"]
            if made:
                break
        cluster.on_change = lambda kind, manifest, gone: None
        del cluster.objects[made[0]]
        await harness.settle(30)
        assert made[0] in cluster.objects


@virtual_time
async def test_what_vanished_unseen_is_pruned_by_the_next_list() -> None:
    cluster = acme(plugin(), chatbot(plugins=[{"name": "returns"}]))
    async with Harness(cluster) as harness:
        cluster.on_change = lambda kind, manifest, gone: None
        del cluster.objects["Plugin", "acme", "returns"]
        del cluster.objects["Service", "acme", "support"]
        await harness.settle(400)
        assert ("Service", "acme", "support") in cluster.objects
        assert cluster.condition("support", "PluginsResolved") == ("False", "PluginNotFound")


@virtual_time
async def test_a_resync_lists_metadata_and_fetches_only_what_a_watch_has_missed() -> None:
    cluster = acme(plugin(), chatbot(plugins=[{"name": "returns"}]))
    async with Harness(cluster) as harness:
        cluster.lists.clear()
        await harness.settle(400)
        quiet = {what for kind, what in cluster.lists if kind in ("Chatbot", "Plugin", "ConfigMap", "Deployment")}
        cluster.lists.clear()
        cluster.on_change = lambda kind, manifest, gone: None
        before = harness.served("support")
        cluster.edit("Plugin", "returns", spec={**plugin()["spec"], "description": "Changed unseen."})
        await harness.settle(400)
        fetched = [(kind, what) for kind, what in cluster.lists if kind == "Plugin" and what != "metadata"]
        assert (quiet, fetched) == ({"metadata"}, [("Plugin", "returns")])
        assert harness.served("support") != before


@virtual_time
async def test_a_resync_that_finds_much_that_was_missed_lists_the_kind_once() -> None:
    cluster = acme(plugin("first"))
    async with Harness(cluster) as harness:
        cluster.on_change = lambda kind, manifest, gone: None
        for number in range(100):
            cluster.create(plugin(f"plugin-{number}"))
        cluster.lists.clear()
        await harness.settle(340)
        assert [what for kind, what in cluster.lists if kind == "Plugin"] == ["metadata", "all"]
        assert cluster.status("Plugin", "plugin-99")["usedBy"] == 0
