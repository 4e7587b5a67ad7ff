"""Where an operator outside the cluster serves its webhooks: a port and a certificate of an authority of its own."""

import base64
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster.pki import Authority, Subject
from support.operator_process import free_port


@dataclass(frozen=True)
class WebhookPlace:
    """Made once per run; `folder` holds the certificate."""

    folder: Path
    port: int
    authority: Path

    @classmethod
    def make(cls, folder: Path) -> "WebhookPlace":
        authority = Authority(folder / "authority", "webhook-test")
        pair = authority.issue("server", Subject(name="webhook", hosts=("127.0.0.1",)))
        for source, target in ((pair.certificate, "tls.crt"), (pair.key, "tls.key")):
            (folder / target).write_bytes(source.read_bytes())
        return cls(folder, free_port(), authority.pair.certificate)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self.authority.read_bytes()).decode()

    @property
    def settings(self) -> dict[str, str]:
        """Return the operator's environment."""
        return {
            "SMARTER_WEBHOOK__CERTIFICATE_FOLDER": str(self.folder),
            "SMARTER_WEBHOOK__PORT": str(self.port),
        }
