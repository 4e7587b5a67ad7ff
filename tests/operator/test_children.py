from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from smarter_crds import ApiKey, Chatbot, Plugin, Provider, Store
from smarter_crds.compile import Allowed, Autoscaling, Platform, References, compile_chatbot, key_config
from smarter_crds.exposure import IssuerRef
from smarter_operator import resources
from smarter_operator.names import APPLIED_ANNOTATION
from smarter_operator.resources import keys_config_map
from smarter_operator.resources.config_map import config_map, good_config
from smarter_operator.settings import Settings
from support.manifests import Manifest, api_key, chatbot, exposed, plugin, provider, store

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_KEYS = Path(__file__).parent / "golden-keys"
BOT_UID = "00000000-0000-4000-8000-000000000001"
SETTINGS = Settings(
    runtime_image="registry.example/runtime:1",
    namespace="smarter-system",
    platform=Platform(
        base_domain="bots.example",
        issuer_ref=IssuerRef(name="letsencrypt", kind="ClusterIssuer"),
        image_pull_secrets=("platform-registry",),
        allowed=Allowed(
            pod_annotations=("sidecar.example/inject",),
            service_account_annotations=("cloud.example/role",),
            route_annotations=("web.example/*",),
            env=("TZ", "SMARTER_*"),
            runtime_images=("registry.example/*",),
        ),
    ),
)
IN_THE_CLUSTER = {
    "type": "OpenAICompatible",
    "baseUrl": "http://llm.models.svc:8000/v1",
    "defaultModel": "llama",
    "allowedCIDRs": ["10.96.0.0/12", "169.254.0.0/16", "169.254.169.254/32", "fd00:8::/32", "::ffff:10.0.0.0/104"],
}
SECRET = {"type": "OpenAI", "defaultModel": "gpt", "apiKeySecret": {"name": "openai", "key": "api-key"}}

GATEWAY: dict[str, Any] = {
    "type": "HTTPRoute",
    "hosts": ["support.acme.example"],
    "gatewayRef": {"name": "public", "namespace": "infra", "sectionName": "https"},
}

CASES: Mapping[str, dict[str, Any]] = {
    "smallest": {"bot": {}},
    "custom-host": {"bot": {"exposure": exposed() | {"className": "nginx"}}},
    "not-exposed": {"bot": {"exposure": {"type": "None"}}},
    "tls-disabled": {"bot": {"exposure": exposed(mode="Disabled")}},
    "tls-external": {"bot": {"exposure": exposed(mode="External")}},
    "tls-secret": {
        "bot": {"exposure": exposed(mode="Secret") | {"tls": {"mode": "Secret", "secretName": "acme-wildcard"}}}
    },
    "two-pods": {"bot": {"exposure": {"type": "None"}}, "replicas": 2},
    "maintenance": {"bot": {"state": "Maintenance", "maintenanceMessage": "We are back at 9:00."}},
    "offline": {"bot": {"state": "Offline", "exposure": exposed()}},
    "http-route": {"bot": {"exposure": GATEWAY}},
    "http-route-disabled": {"bot": {"exposure": GATEWAY | {"tls": {"mode": "Disabled"}}}},
    "http-route-issuer": {"bot": {"exposure": GATEWAY | {"tls": {"mode": "Issuer"}}}},
    "http-route-secret": {
        "bot": {"exposure": GATEWAY | {"tls": {"mode": "Secret", "secretName": "acme-wildcard"}}},
        "base_domain": "",
    },
    "route-annotations": {
        "bot": {"exposure": exposed(mode="External") | {"annotations": {"web.example/waf": "strict"}}},
    },
    "autoscaling": {
        "bot": {"exposure": {"type": "None"}, "scaling": {"type": "Auto", "maxReplicas": 1}},
        "replicas": 2,
        "autoscaling": Autoscaling(min_replicas=2, max_replicas=10, target_in_flight=2000),
    },
    "pod-template": {
        "bot": {
            "exposure": {"type": "None"},
            "runtime": {"image": "registry.example/runtime:2"},
            "podTemplate": {
                "nodeSelector": {"kubernetes.io/arch": "arm64"},
                "tolerations": [
                    {"key": "dedicated", "operator": "Equal", "value": "bots", "effect": "NoExecute"},
                    {"operator": "Exists", "effect": "NoSchedule", "value": ""},
                ],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
                        }
                    }
                },
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
                    {
                        "maxSkew": 2,
                        "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": {"team": "web"}},
                    },
                ],
                "priorityClassName": "system-cluster-critical",
                "labels": {"team": "web"},
                "annotations": {"sidecar.example/inject": "true"},
                "imagePullSecrets": [{"name": "registry"}],
                "env": [{"name": "TZ", "value": "Europe/Madrid"}, {"name": "SMARTER_WEATHER_URL", "value": ""}],
                "serviceAccountAnnotations": {"cloud.example/role": "bots"},
            },
        },
    },
    "no-network-policy": {"bot": {"networkPolicy": {"enabled": False}}},
    "allowed-networks": {
        "bot": {
            "exposure": {"type": "None"},
            "networkPolicy": {"extraEgress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}]},
        },
        "provider_spec": IN_THE_CLUSTER,
    },
    "store": {
        "bot": {"storeRef": {"name": "main"}, "scaling": {"type": "Fixed", "replicas": 2}},
        "stores": [
            store(
                type="PostgreSQL",
                credentialsSecret={"name": "store"},
                tls={"caSecret": {"name": "authority", "key": "ca.crt"}, "clientCertSecret": {"name": "client"}},
                allowedCIDRs=["10.0.0.0/8"],
            )
        ],
    },
    "secret-and-resources": {
        "bot": {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "plugins": [{"name": "returns"}]},
        "provider_spec": SECRET,
    },
}


def children(
    bot: dict[str, Any],
    provider_spec: dict[str, Any] | None = None,
    stores: Sequence[Manifest] = (),
    base_domain: str = "bots.example",
    **settled: Any,
) -> list[dict[str, Any]]:
    made = chatbot(**bot)
    made["metadata"] |= {"uid": BOT_UID, "generation": 1}
    parsed = Chatbot.model_validate(made)
    references = References(
        plugins={"returns": Plugin.model_validate(plugin())},
        providers={"demo": Provider.model_validate(provider(**(provider_spec or {})))},
        stores={each["metadata"]["name"]: Store.model_validate(each) for each in stores},
    )
    platform = SETTINGS.platform.model_copy(update={"base_domain": base_domain})
    compiled = compile_chatbot(parsed, references, platform)
    assert compiled.problems == ()
    # More than one pod is refused without a Store; what they are made of is the same.
    compiled = replace(compiled, settled=replace(compiled.settled, **settled))
    return resources.desired(parsed, compiled, "", SETTINGS)


@pytest.mark.parametrize("case", CASES)
def test_the_children_are_those_in_the_golden_file(case: str, request: pytest.FixtureRequest) -> None:
    file = GOLDEN / f"{case}.yaml"
    made = [comparable(child) for child in children(**CASES[case])]
    if request.config.getoption("--write-golden", default=False):
        file.write_text(yaml.safe_dump_all(made, sort_keys=False, width=110), encoding="utf-8")
    assert made == list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def test_the_config_map_with_the_keys_is_the_one_in_the_golden_file(request: pytest.FixtureRequest) -> None:
    file = GOLDEN_KEYS / "api-keys.yaml"
    spec: dict[str, Any] = {"digests": [{"sha256": "0" * 64, "notAfter": "2027-01-01T00:00:00Z"}, {"sha256": "1" * 64}]}
    limited: dict[str, Any] = {
        "expiresAt": "2028-01-01T00:00:00+01:00",
        "disabled": True,
        "displayName": "Back end of the shop",
    }
    made = [api_key("plain", **spec), api_key("limited", **spec, **limited)]
    configs = [key_config(ApiKey.model_validate(each)) for each in made]
    bot = Chatbot.model_validate(chatbot()).metadata.model_copy(update={"uid": BOT_UID})
    child = comparable(keys_config_map(bot, [config for config in configs if config]))
    if request.config.getoption("--write-golden", default=False):
        file.write_text(yaml.safe_dump(child, sort_keys=False, width=110), encoding="utf-8")
    assert child == yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1), (5, 1)])
def test_only_pods_that_can_stand_in_for_each_other_have_a_budget(replicas: int, budgets: int) -> None:
    made = children({}, replicas=replicas)
    assert [child["kind"] for child in made].count("PodDisruptionBudget") == budgets


def comparable(child: dict[str, Any]) -> dict[str, Any]:
    """Leave out the compressed config and what is computed from it: they differ with the version of zlib."""
    metadata = {**child["metadata"]}
    annotations = {key: value for key, value in metadata.pop("annotations").items() if key != APPLIED_ANNOTATION}
    metadata |= {"annotations": annotations} if annotations else {}
    return {key: value for key, value in child.items() if key != "binaryData"} | {"metadata": metadata}


def test_the_config_that_a_pod_confirmed_is_kept_beside_its_successor() -> None:
    parsed = Chatbot.model_validate(chatbot())
    first = config_map(parsed, b'{"a":1}')
    served = first["data"]["hash"]
    assert good_config(None, b'{"a":2}', frozenset()) == ""
    assert good_config(first, b'{"a":1}', frozenset({served})) == "", "it is not replaced"
    kept = good_config(first, b'{"a":2}', frozenset({served}))
    assert kept == first["binaryData"]["config"]
    second = config_map(parsed, b'{"a":2}', kept)
    assert good_config(second, b'{"a":3}', frozenset()) == kept, "an unconfirmed config is never called good"
