import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from smarter_cluster.cluster import Cluster
from smarter_crds.compile import Allowed, Platform
from smarter_operator.kinds import WATCHED
from smarter_operator.settings import Settings

CHARTS = Path(__file__).parents[2] / "charts"
Manifests = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def helm(cluster: Cluster) -> Path:
    return cluster.program("helm")


def run(helm: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(helm), *map(str, arguments)], capture_output=True, text=True, check=False)


def rendered(helm: Path, *values: str) -> Manifests:
    """Return the chart's objects that bear the release's own name, by kind."""
    options = [option for value in values for option in ("--set", value)]
    result = run(helm, "template", "smarter", CHARTS / "smarter", "--namespace", "smarter-system", *options)
    assert result.returncode == 0, result.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(result.stdout) if manifest]
    return {manifest["kind"]: manifest for manifest in manifests if manifest["metadata"]["name"] == "smarter"}


def environment(manifests: Manifests) -> dict[str, str]:
    [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def grants(helm: Path, *values: str) -> dict[tuple[str, str], set[str]]:
    """Return the verbs that the operator may use, by API group and resource."""
    rules = rendered(helm, *values)["ClusterRole"]["rules"]
    return {
        (group, resource): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("chart", ["smarter", "smarter-crds"])
def test_helm_finds_no_fault_with_the_chart(helm: Path, chart: str) -> None:
    result = run(helm, "lint", "--strict", CHARTS / chart)
    assert result.returncode == 0, result.stdout + result.stderr


def test_values_reach_the_operators_settings(helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = (
        "platform.baseDomain=bots.example",
        "platform.baseDomainTls=Issuer",
        "platform.ingressClass=nginx",
        "platform.issuer.name=letsencrypt",
        "platform.tokensPerDay=20000000",
        "platform.limits.requestsPerMinute=600",
        "platform.limits.requestsPerMinutePerClient=30",
        "platform.limits.concurrentPerClient=4",
        "platform.trustedProxies={10.0.0.0/8,fd00::/8}",
        "platform.sessionsPerMinute=9",
        "platform.maxStreams=50",
        "platform.challengeBits=20",
        "platform.targetInFlight=3",
        "platform.conversationRetentionDays=7",
        f"platform.statusTokens[0]={'a' * 64}",
        "maxRollouts=7",
        "watchNamespaces={shop,support}",
        "platform.imagePullSecrets[0]=registry",
        "platform.allowed.podAnnotations[0]=sidecar.example/*",
        "platform.allowed.runtimeImages[0]=registry.example/runtime:2",
        "runtime.image.repository=registry.example/runtime",
        "runtime.image.tag=v7",
        "runtime.langchainImage.repository=registry.example/runtime-langchain",
        "runtime.langchainImage.tag=v8",
        "networkPolicy.prometheusNamespaceSelector.matchLabels.team=monitoring",
        "networkPolicy.usageNamespaceSelector.matchLabels.team=billing",
        "hostPolicies[0].namespaceSelector.matchLabels.team=shop",
        "hostPolicies[0].hosts={shop.example,*.shops.example}",
        "hostReleaseSeconds=3600",
        "probes.intervalSeconds=60",
        "probes.port=8443",
    )
    for name, value in environment(rendered(helm, *values)).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    platform = settings.platform
    assert settings.max_rollouts == 7
    assert settings.runtime_image == "registry.example/runtime:v7"
    assert platform.langchain_image == "registry.example/runtime-langchain:v8"
    assert settings.watch_namespaces == ("shop", "support")
    assert (platform.base_domain, platform.ingress_class_name) == ("bots.example", "nginx")
    assert platform.base_domain_tls == "Issuer"
    assert platform.issuer_ref is not None
    assert (platform.issuer_ref.name, platform.issuer_ref.kind) == ("letsencrypt", "ClusterIssuer")
    assert platform.limits.tokens_per_day == 20_000_000
    assert (platform.limits.requests_per_minute, platform.limits.requests_per_minute_per_client) == (600, 30)
    assert platform.limits.concurrent_per_client == 4
    assert platform.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert (platform.sessions_per_minute, platform.max_streams, platform.challenge_bits) == (9, 50, 20)
    assert (platform.target_in_flight, platform.image_pull_secrets) == (3, ("registry",))
    assert platform.allowed == Allowed(
        pod_annotations=("sidecar.example/*",), runtime_images=("registry.example/runtime:2",)
    )
    assert (platform.conversation_retention_days, platform.status_tokens) == (7, ("a" * 64,))
    assert settings.network_policy.usage_namespace_selector.manifest() == {"matchLabels": {"team": "billing"}}
    prometheus = settings.network_policy.prometheus_namespace_selector
    assert prometheus.manifest() == {"matchLabels": {"team": "monitoring"}}
    [policy] = settings.host_policies
    assert policy.namespace_selector.manifest() == {"matchLabels": {"team": "shop"}}
    assert policy.hosts == ("shop.example", "*.shops.example")
    assert settings.host_release_seconds == 3600
    assert (settings.probe_seconds, settings.probe_port) == (60, 8443)


def test_defaults_leave_the_platform_open(helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(rendered(helm, "runtime.langchainImage.repository=")).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.platform == Platform()
    assert (settings.host_policies, settings.host_release_seconds) == ((), 86400)
    assert (settings.probe_seconds, settings.probe_port) == (300, 443)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("platform.issuer.kind=Letsencrypt", id="unknown-kind-of-issuer"),
        pytest.param("hostPolicies[0].hosts={shop.example}", id="policy-for-nobody"),
        pytest.param("platform.tokenPerDay=5", id="misspelt"),
        pytest.param("platform.allowed.env[0]=A*B", id="star-in-the-middle"),
        pytest.param("logLevel=LOUD", id="unknown-level"),
        pytest.param("networkPolicy.prometheusNamespaceSelector.team=monitoring", id="labels-outside-matchLabels"),
        pytest.param("platform.statusTokens[0]=a-token-itself", id="a-token-instead-of-its-digest"),
        pytest.param("platform.conversationRetentionDays=0", id="no-retention"),
    ],
)
def test_a_value_that_means_nothing_is_refused(helm: Path, value: str) -> None:
    result = run(helm, "template", "smarter", CHARTS / "smarter", "--set", value)
    assert result.returncode != 0
    assert "don't meet the specifications of the schema" in result.stderr


def test_the_role_covers_what_is_watched_and_no_secret(helm: Path) -> None:
    granted = grants(helm)
    for kind in WATCHED:
        assert {"list", "watch"} <= granted[kind.group, kind.plural]
    # Not even a single one can be read: who may list or watch can read, and who may patch gets an answer.
    assert granted["", "secrets"] == {"create", "delete"}
    assert "patch" not in granted["", "pods"]
    assert not [verbs for verbs in granted.values() if "*" in verbs]


def test_namespaces_are_read_only_where_a_policy_asks_for_their_labels(helm: Path) -> None:
    assert ("", "namespaces") not in grants(helm)
    policy = ("hostPolicies[0].namespaceSelector.matchLabels.team=shop", "hostPolicies[0].hosts={shop.example}")
    assert grants(helm, *policy)["", "namespaces"] == {"list", "watch"}


def test_an_operator_of_some_namespaces_gets_a_role_in_each_and_nothing_namespaced_beyond(helm: Path) -> None:
    result = run(helm, "template", "smarter", CHARTS / "smarter", "--set", "watchNamespaces={shop,support}")
    assert result.returncode == 0, result.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(result.stdout) if manifest]
    within = {
        m["metadata"]["namespace"]: m
        for m in manifests
        if m["metadata"]["name"] == "smarter-chatbots" and m["kind"] == "Role"
    }
    bound = {
        m["metadata"]["namespace"]
        for m in manifests
        if m["kind"] == "RoleBinding" and m["roleRef"]["name"] == "smarter-chatbots"
    }
    assert set(within) == bound == {"shop", "support"}
    whole = rendered(helm, "watchNamespaces={shop,support}")["ClusterRole"]["rules"]
    assert {name for rule in whole for name in rule["resources"]} == {
        "hostclaims", "namespaces", "customresourcedefinitions",
    }  # fmt: skip
    everywhere = rendered(helm)["ClusterRole"]["rules"]
    assert within["shop"]["rules"] == [rule for rule in everywhere if rule not in whole]
