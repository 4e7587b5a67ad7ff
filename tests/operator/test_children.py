from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.compile import Platform, References, compile_chatbot
from smarter_crds.exposure import IssuerRef
from smarter_operator import resources
from smarter_operator.names import APPLIED_ANNOTATION
from smarter_operator.resources.config_map import config_map, good_config
from smarter_operator.settings import Settings
from support.manifests import chatbot, exposed, plugin, provider

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = Settings(
    runtime_image="registry.example/runtime:1",
    namespace="smarter-system",
    platform=Platform(base_domain="bots.example", issuer_ref=IssuerRef(name="letsencrypt", kind="ClusterIssuer")),
)
IN_THE_CLUSTER = {
    "type": "OpenAICompatible",
    "baseUrl": "http://llm.models.svc:8000/v1",
    "defaultModel": "llama",
    "allowedCIDRs": ["10.96.0.0/12", "169.254.0.0/16", "169.254.169.254/32", "fd00:8::/32", "::ffff:10.0.0.0/104"],
}
SECRET = {"type": "OpenAI", "defaultModel": "gpt", "apiKeySecret": {"name": "openai", "key": "api-key"}}

CASES: Mapping[str, dict[str, Any]] = {
    "smallest": {"bot": {}},
    "custom-host": {"bot": {"exposure": exposed() | {"className": "nginx"}}},
    "not-exposed": {"bot": {"exposure": {"type": "None"}}},
    "tls-disabled": {"bot": {"exposure": exposed(mode="Disabled")}},
    "two-pods": {"bot": {"exposure": {"type": "None"}}, "replicas": 2},
    "maintenance": {"bot": {"state": "Maintenance", "maintenanceMessage": "We are back at 9:00."}},
    "offline": {"bot": {"state": "Offline"}},
    "http-route": {
        "bot": {
            "exposure": {
                "type": "HTTPRoute",
                "hosts": ["support.acme.example"],
                "gatewayRef": {"name": "public", "namespace": "infra", "sectionName": "https"},
            }
        }
    },
    "no-network-policy": {"bot": {"networkPolicy": {"enabled": False}}},
    "allowed-networks": {
        "bot": {
            "exposure": {"type": "None"},
            "networkPolicy": {"extraEgress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}]},
        },
        "provider_spec": IN_THE_CLUSTER,
    },
    "secret-and-resources": {
        "bot": {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "plugins": [{"name": "returns"}]},
        "provider_spec": SECRET,
    },
}


def children(
    bot: dict[str, Any], provider_spec: dict[str, Any] | None = None, replicas: int = 1
) -> list[dict[str, Any]]:
    made = chatbot(**bot)
    made["metadata"] |= {"uid": "00000000-0000-4000-8000-000000000001", "generation": 1}
    parsed = Chatbot.model_validate(made)
    references = References(
        plugins={"returns": Plugin.model_validate(plugin())},
        providers={"demo": Provider.model_validate(provider(**(provider_spec or {})))},
    )
    compiled = compile_chatbot(parsed, references, SETTINGS.platform)
    assert compiled.problems == ()
    # More than one pod is refused until there is a Store; what they will be made of is known already.
    compiled = replace(compiled, settled=replace(compiled.settled, replicas=replicas))
    return resources.desired(parsed, compiled, "", SETTINGS)


@pytest.mark.parametrize("case", CASES)
def test_the_children_are_those_in_the_golden_file(case: str, request: pytest.FixtureRequest) -> None:
    file = GOLDEN / f"{case}.yaml"
    made = [comparable(child) for child in children(**CASES[case])]
    if request.config.getoption("--write-golden", default=False):
        file.write_text(yaml.safe_dump_all(made, sort_keys=False, width=110), encoding="utf-8")
    assert made == list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


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
