"""How a Chatbot is reached from outside: hosts, route and certificates."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Rule
from smarter_crds.fields import AnnotationValue, Host, LabelName, ObjectName, Origin, QualifiedKey, SetOf

ExposureType = Literal["Ingress", "HTTPRoute", "None"]
CertificateMode = Literal["Issuer", "Secret", "External", "Disabled"]
IssuerKind = Literal["Issuer", "ClusterIssuer"]


class GatewayRef(ApiModel):
    """The Gateway, and optionally the listener, to which the route is attached."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: LabelName | None = Field(
        None, description="Namespace of the Gateway. Default: the Chatbot's own namespace."
    )
    section_name: ObjectName | None = Field(
        None, description="Name of the Gateway's listener. Default: every listener that fits."
    )


class IssuerRef(ApiModel):
    """The issuer of cert-manager that signs the certificates."""

    name: ObjectName = Field(description="Name of the Issuer or ClusterIssuer.")
    kind: IssuerKind | None = Field(
        None, description="Whether it is an `Issuer` of the same namespace or a `ClusterIssuer`. Default: `Issuer`."
    )


class ExposureTls(ApiModel):
    """Where the certificate of the hosts comes from."""

    rules = (
        Rule(
            cel="!has(self.mode) || self.mode != 'Secret' || has(self.secretName)",
            message="`tls.secretName` is required when `tls.mode` is `Secret`",
            holds=lambda tls: tls.mode != "Secret" or tls.secret_name is not None,
        ),
    )

    mode: CertificateMode | None = Field(
        None,
        description="`Issuer`: cert-manager makes a certificate per host. `Secret`: the certificate in `secretName` is "
        "used. `External`: TLS ends in front of the cluster. `Disabled`: plain HTTP. Default: `Issuer` "
        "if an issuer is named here or by the platform, else as the platform says, `Disabled`; with type "
        "`HTTPRoute` always `External`, for the Gateway's listener holds the certificate. `Issuer` and `Secret` need "
        "there a Gateway API with ListenerSets, and a Gateway that allows them.",
    )
    issuer_ref: IssuerRef | None = Field(
        None, description="Issuer for mode `Issuer`. Default: the platform's default issuer."
    )
    secret_name: ObjectName | None = Field(
        None, description="Secret of type `kubernetes.io/tls` in the same namespace, for mode `Secret`."
    )


class Exposure(ApiModel):
    """How the bot is reached from outside the cluster."""

    rules = (
        Rule(
            cel="!has(self.type) || self.type != 'HTTPRoute' || has(self.gatewayRef)",
            message="`exposure.gatewayRef` is required when `exposure.type` is `HTTPRoute`",
            holds=lambda exposure: exposure.type != "HTTPRoute" or exposure.gateway_ref is not None,
        ),
    )

    type: ExposureType | None = Field(
        None,
        description="`Ingress` or `HTTPRoute` (Gateway API) makes the bot reachable at its hosts; `None` keeps it "
        "inside "
        "the cluster. Default: `Ingress` if the bot has any host, else `None`.",
    )
    hosts: SetOf[Host] = Field(
        (),
        max_length=32,
        description="Host names of the bot, in lower case and punycode, without wildcards. The default host "
        "`<name>-<namespace>.<baseDomain>` comes on top where the platform has a base domain. Default: none.",
    )
    class_name: ObjectName | None = Field(
        None, description="Name of the IngressClass, for type `Ingress`. Default: the platform's, else the cluster's."
    )
    gateway_ref: GatewayRef | None = Field(
        None, description="Gateway that carries the route; required for type `HTTPRoute`."
    )
    annotations: dict[QualifiedKey, AnnotationValue] = Field(
        default_factory=dict,
        max_length=32,
        description="Annotations for the Ingress or HTTPRoute; only keys that the platform allows. Default: none.",
    )
    tls: ExposureTls | None = Field(
        None,
        description="Where the certificate of the hosts comes from. Default: the platform's issuer, if it has one.",
    )
    allowed_origins: tuple[Origin, ...] = Field(
        (),
        max_length=32,
        description="Origins of web pages that may call the bot's API from a browser (CORS), for example "
        "`https://shop.example`; `https://*.shop.example` stands for all its subdomains. Default: only the bot's own.",
    )
    frame_ancestors: tuple[Origin, ...] = Field(
        (),
        max_length=32,
        description="Origins of web pages that may embed the chat page in a frame. Default: none.",
    )
