"""What the platform lets users say about pods and routes, and the refusal of all else."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from smarter_crds.base import GROUP, ApiModel
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile.problems import Problem
from smarter_crds.exposure import Exposure
from smarter_crds.workload import PodTemplate

Pattern = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^*\s]*\*?$")]
"""A name; with `*` at its end every name that begins so."""

RESERVED_ENV = frozenset({"SMARTER_POD_UID"})
"""Variables that the operator sets itself."""

_OWN_LABELS = frozenset(
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "managed-by")
)


class Allowed(ApiModel):
    """What users may set of that which could bypass claims, cloud identities or the runtime; nothing unless listed."""

    pod_annotations: tuple[Pattern, ...] = ()
    """Keys of annotations of the pods."""
    service_account_annotations: tuple[Pattern, ...] = ()
    """Keys of annotations of the bots' ServiceAccounts, such as those that give a cloud role."""
    route_annotations: tuple[Pattern, ...] = ()
    """Keys of annotations of Ingresses and HTTPRoutes."""
    env: tuple[Pattern, ...] = ()
    """Names of environment variables of the runtime."""
    runtime_images: tuple[Pattern, ...] = ()
    """Images that may replace the platform's runtime."""


def is_allowed(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of `patterns` is `name`, or ends in `*` and begins it."""
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)


def forbidden(chatbot: Chatbot, allowed: Allowed) -> Iterator[Problem]:
    """Yield everything that is set and that the platform does not allow, with the value that would allow it."""
    pods, exposure = chatbot.spec.pod_template or PodTemplate(), chatbot.spec.exposure or Exposure()
    image = chatbot.spec.runtime.image if chatbot.spec.runtime else None
    variables = [variable.name for variable in pods.env]
    yield from _forbidden_labels(pods)
    for reason, path, names, field in (
        ("AnnotationForbidden", "podTemplate.annotations", pods.annotations, "pod_annotations"),
        (
            "AnnotationForbidden",
            "podTemplate.serviceAccountAnnotations",
            pods.service_account_annotations,
            "service_account_annotations",
        ),
        ("AnnotationForbidden", "exposure.annotations", exposure.annotations, "route_annotations"),
        ("EnvForbidden", "podTemplate.env", variables, "env"),
        ("ImageForbidden", "runtime.image", [image] if image else [], "runtime_images"),
    ):
        for name in names:
            if name in RESERVED_ENV:
                yield Problem(reason, f"`spec.{path}` sets {name!r}, which the operator sets itself; remove it.")
            elif not is_allowed(name, getattr(allowed, field)):
                value = Allowed.model_fields[field].alias
                yield Problem(
                    reason,
                    f"`spec.{path}` has {name!r}, which the platform does not allow; remove it, or let the platform "
                    f"team add it to `platform.allowed.{value}` in the values of the chart `smarter`.",
                )


def _forbidden_labels(pods: PodTemplate) -> Iterator[Problem]:
    for key in pods.labels:
        if key in _OWN_LABELS or key.startswith(f"{GROUP}/"):
            yield Problem(
                "LabelForbidden", f"`spec.podTemplate.labels` has {key!r}, which the operator sets itself; remove it."
            )
