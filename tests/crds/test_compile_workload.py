"""How many pods a bot gets, and what of the platform's pods its user may change."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Allowed, Autoscaling, Compiled, Platform, References, compile_chatbot
from support.manifests import chatbot, provider

ALLOWED = Allowed(
    pod_annotations=("sidecar.example/inject",),
    service_account_annotations=("cloud.example/*",),
    route_annotations=("web.example/waf",),
    env=("TZ", "SMARTER_*"),
    runtime_images=("registry.example/bots/*", "registry.example/one:1"),
)


def compiled(platform: Platform | None = None, **spec: Any) -> Compiled:
    references = References(providers={"demo": Provider.model_validate(provider())})
    chosen = platform or Platform(allowed=ALLOWED)
    return compile_chatbot(Chatbot.model_validate(chatbot(**spec)), references, chosen)


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        pytest.param(
            {"podTemplate": {"annotations": {"sidecar.example/other": "true"}}},
            "AnnotationForbidden",
            "`spec.podTemplate.annotations` has 'sidecar.example/other', which the platform does not allow; remove it, "
            "or let the platform team add it to `platform.allowed.podAnnotations` in the values of the chart "
            "`smarter`.",
            id="pod-annotation",
        ),
        pytest.param(
            {"podTemplate": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn"}}},
            "AnnotationForbidden",
            "`platform.allowed.serviceAccountAnnotations`",
            id="cloud-role",
        ),
        pytest.param(
            {"exposure": {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "bank.example"}}},
            "AnnotationForbidden",
            "`platform.allowed.routeAnnotations`",
            id="host-by-annotation",
        ),
        pytest.param(
            {"podTemplate": {"env": [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}]}},
            "EnvForbidden",
            "`platform.allowed.env`",
            id="variable",
        ),
        pytest.param(
            {"podTemplate": {"env": [{"name": "SMARTER_POD_UID", "value": "1"}]}},
            "EnvForbidden",
            "`spec.podTemplate.env` sets 'SMARTER_POD_UID', which the operator sets itself; remove it.",
            id="variable-of-the-operator-although-its-prefix-is-allowed",
        ),
        pytest.param(
            {"runtime": {"image": "registry.example/one:12"}},
            "ImageForbidden",
            "`platform.allowed.runtimeImages`",
            id="image-that-only-begins-like-an-allowed-one",
        ),
        pytest.param(
            {"podTemplate": {"labels": {"smarter.sh/chatbot": "other"}}},
            "LabelForbidden",
            "'smarter.sh/chatbot', which the operator sets itself",
            id="label-of-another-bot",
        ),
        pytest.param(
            {"podTemplate": {"labels": {"app.kubernetes.io/managed-by": "me"}}},
            "LabelForbidden",
            "'app.kubernetes.io/managed-by'",
            id="recommended-label",
        ),
    ],
)
def test_what_the_platform_does_not_allow_is_refused_by_name(spec: dict[str, Any], reason: str, said: str) -> None:
    [problem] = compiled(**spec).problems
    assert problem.reason == reason
    assert said in problem.message


def test_what_the_platform_allows_is_taken() -> None:
    result = compiled(
        exposure={"hosts": ["a.example"], "annotations": {"web.example/waf": "on"}},
        runtime={"image": "registry.example/bots/runtime@sha256:00"},
        podTemplate={
            "annotations": {"sidecar.example/inject": "true"},
            "serviceAccountAnnotations": {"cloud.example/role": "bots", "cloud.example/zone": "a"},
            "env": [{"name": "TZ", "value": "UTC"}, {"name": "SMARTER_WEATHER_URL", "value": ""}],
            "labels": {"team": "web", "app.kubernetes.io/version": "1"},
        },
    )
    assert result.problems == ()
    assert result.settled.image == "registry.example/bots/runtime@sha256:00"


def test_by_default_nothing_is_allowed() -> None:
    result = compiled(
        Platform(),
        exposure={"annotations": {"web.example/waf": "on"}},
        runtime={"image": "a"},
        podTemplate={
            "annotations": {"a": "b"},
            "serviceAccountAnnotations": {"a": "b"},
            "env": [{"name": "A", "value": "b"}],
        },
    )
    reasons = [problem.reason for problem in result.problems]
    assert reasons == ["AnnotationForbidden"] * 3 + ["EnvForbidden", "ImageForbidden"]


def test_autoscaling_is_filled_in_from_the_platform_and_says_so() -> None:
    result = compiled(Platform(target_in_flight=5), scaling={"type": "Auto", "maxReplicas": 1})
    assert result.settled.autoscaling == Autoscaling(min_replicas=1, max_replicas=1, target_in_flight=5)
    assert result.settled.replicas == 1
    assert result.defaults.scaling is not None
    assert result.defaults.scaling.model_dump() == {"min_replicas": 1, "target_in_flight": 5}


def test_what_a_bot_says_about_autoscaling_holds() -> None:
    scaling = {"type": "Auto", "minReplicas": 1, "maxReplicas": 1, "targetInFlight": 30, "replicas": 1}
    result = compiled(scaling=scaling)
    assert result.settled.autoscaling == Autoscaling(min_replicas=1, max_replicas=1, target_in_flight=30)
    assert (result.defaults.scaling, result.warnings) == (None, ())


@pytest.mark.parametrize(
    ("own", "used", "filled_in"),
    [
        pytest.param([], ("platform",), ["platform"], id="of-the-platform"),
        pytest.param([{"name": "mine"}], ("mine",), [], id="of-the-bot"),
    ],
)
def test_images_are_pulled_with_the_bots_secrets_or_the_platforms(
    own: list[dict[str, str]], used: tuple[str, ...], filled_in: list[str]
) -> None:
    platform = Platform(image_pull_secrets=("platform",))
    result = compiled(platform, podTemplate={"imagePullSecrets": own})
    assert result.settled.image_pull_secrets == used
    filled = result.defaults.pod_template
    assert [secret.name for secret in filled.image_pull_secrets] == filled_in if filled else filled_in == []
