"""References from one resource to another, and to Secrets and ConfigMaps; always within the same namespace."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.fields import DataKey, LabelName, ObjectName, ProxyUrl

TlsMode = Literal["Disabled", "Required", "VerifyCA", "VerifyFull"]


class LocalRef(ApiModel):
    """A resource of the same namespace, by name."""

    name: ObjectName = Field(description="Name of the resource in the same namespace.")


class PluginRef(ApiModel):
    """A Plugin of the same namespace, by name."""

    name: LabelName = Field(description="Name of the Plugin in the same namespace.")


class SecretKeyRef(ApiModel):
    """One key of a Secret."""

    name: ObjectName = Field(description="Name of the Secret in the same namespace.")
    key: DataKey = Field(description="Key in the Secret's data whose value is used.")


class CredentialsSecret(ApiModel):
    """A Secret that holds a user's name and password."""

    name: ObjectName = Field(description="Name of the Secret in the same namespace.")
    username_key: DataKey | None = Field(
        None, description="Key in the Secret's data that holds the user's name. Default: `username`."
    )
    password_key: DataKey | None = Field(
        None, description="Key in the Secret's data that holds the password. Default: `password`."
    )


class ClientCertSecret(ApiModel):
    """A Secret that holds a client certificate and its private key."""

    name: ObjectName = Field(description="Name of the Secret in the same namespace.")
    key: DataKey | None = Field(
        None,
        description="Key in the Secret's data that holds certificate and private key together, in PEM. "
        "Default: the keys `tls.crt` and `tls.key` of a Secret of type `kubernetes.io/tls`.",
    )


class ConfigMapKeyRef(ApiModel):
    """One key of a ConfigMap."""

    name: ObjectName = Field(
        description="Name of the ConfigMap in the same namespace; it needs the label `smarter.sh/watch=true`."
    )
    key: DataKey = Field(description="Key in the ConfigMap's data whose value is used.")


class ConfigMapSource(ApiModel):
    """A text that is kept outside of the resource."""

    config_map_key_ref: ConfigMapKeyRef = Field(description="Key of a ConfigMap that holds the text.")


class Proxy(ApiModel):
    """A proxy through which a connection is made."""

    url: ProxyUrl = Field(
        description="Address of the proxy with scheme `http`, `https` or `socks5`, without user and password."
    )
    credentials_secret: CredentialsSecret | None = Field(
        None, description="Secret with the proxy's user and password. Default: the proxy asks for none."
    )


class Tls(ApiModel):
    """How a connection to a database or store is encrypted."""

    mode: TlsMode | None = Field(
        None,
        description="`Disabled`: no encryption. `Required`: encryption without any check of the server. `VerifyCA`: "
        "the server's certificate must come from a trusted authority. `VerifyFull`: it must also be for "
        "this host. Default: `VerifyFull`.",
    )
    ca_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the authorities to trust, in PEM. Default: the system's."
    )
    client_cert_secret: ClientCertSecret | None = Field(
        None, description="Secret with the client certificate to present. Default: none is presented."
    )
