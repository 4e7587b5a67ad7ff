"""The part of the contract between operator and runtime that databases and Stores share: encryption and credentials."""

from smarter_crds.base import ApiModel
from smarter_crds.references import TlsMode


class TlsConfig(ApiModel):
    """How a connection is encrypted; paths of files are below the pod's secrets folder."""

    mode: TlsMode = "VerifyFull"
    ca_file: str = ""
    """The authorities to trust, in PEM; empty: the system's."""
    client_cert_file: str = ""
    """The certificate to present, in PEM; empty: none."""
    client_key_file: str = ""
    """Its private key; empty: it is in the file with the certificate."""


class CredentialsConfig(ApiModel):
    """Who to log in as: two files below the pod's secrets folder."""

    username_file: str
    password_file: str
