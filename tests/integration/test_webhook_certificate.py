"""The certificate of the webhook, as the chart makes it."""

import base64
import ssl
import subprocess
from pathlib import Path

import pytest
import yaml

from smarter_cluster.cluster import Cluster
from support.api import Api, Manifest
from support.real_api import ROOT

DAY = 86_400
RENEWAL = "smarter.sh/renew-after"


@pytest.fixture(scope="module")
def helm(cluster: Cluster) -> Path:
    return cluster.program("helm")


def rendered(helm: Path, namespace: str, *options: str, release: str = "smarter") -> dict[tuple[str, str], Manifest]:
    """Return the chart's objects by kind and name."""
    command = [str(helm), "template", release, str(ROOT / "charts" / "smarter"), "--namespace", namespace, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}


def bundle(manifests: dict[tuple[str, str], Manifest]) -> str:
    [[hook]] = [m["webhooks"] for (kind, _), m in manifests.items() if kind == "ValidatingWebhookConfiguration"]
    return base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode()


def authority(secret: Manifest) -> str:
    return base64.b64decode(secret["data"]["ca.crt"]).decode()


def serves(secret: Manifest, folder: Path, trusted: str, host: str) -> None:
    """Shake hands in memory as server and API server do; raises unless the certificate is trusted for `host`."""
    for key in ("tls.crt", "tls.key"):
        (folder / key).write_bytes(base64.b64decode(secret["data"][key]))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client = ssl.create_default_context(cadata=trusted)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=host)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert one.version() is not None


def test_the_chart_makes_a_certificate_that_the_api_server_trusts(helm: Path, tmp_path: Path) -> None:
    made = rendered(helm, "smarter-system")
    serves(made["Secret", "smarter-webhook"], tmp_path, bundle(made), "smarter-webhook.smarter-system.svc")


async def test_the_certificate_is_kept_over_upgrades_and_renewed_in_time(
    helm: Path, cluster: Cluster, api: Api, namespace: str, tmp_path: Path
) -> None:
    name = "smarter-two-webhook"

    def upgraded() -> tuple[Manifest, str]:
        """Return Secret and bundle as an upgrade would make them."""
        server = ("--kubeconfig", str(cluster.kubeconfig), "--dry-run=server")
        made = rendered(helm, namespace, *server, release="smarter-two")
        return made["Secret", name], bundle(made)

    first, first_bundle = upgraded()
    # Helm takes for its own only what says so.
    owner = {"meta.helm.sh/release-name": "smarter-two", "meta.helm.sh/release-namespace": namespace}
    first["metadata"]["annotations"] |= owner
    await api.apply(first)
    kept, kept_bundle = upgraded()
    assert kept["data"] == first["data"]
    assert kept_bundle == first_bundle == authority(first)

    due = {"metadata": {"annotations": {RENEWAL: "1"}}}
    await api.patch("Secret", namespace, name, due)
    renewed, renewed_bundle = upgraded()
    assert authority(renewed) != authority(first)
    assert int(renewed["metadata"]["annotations"][RENEWAL]) - int(first["metadata"]["annotations"][RENEWAL]) < DAY
    # Pods that have not got the new certificate yet are still trusted.
    for secret in (first, renewed):
        serves(secret, tmp_path, renewed_bundle, f"{name}.{namespace}.svc")


@pytest.mark.parametrize(
    ("issuer", "kinds"),
    [
        pytest.param("", ["Certificate", "Certificate", "Issuer", "Issuer"], id="an-authority-of-its-own"),
        pytest.param("company-ca", ["Certificate"], id="an-issuer-that-is-there"),
    ],
)
async def test_cert_manager_is_asked_for_a_certificate(
    helm: Path, api: Api, namespace: str, issuer: str, kinds: list[str]
) -> None:
    values = ("--set", "webhook.certificate=CertManager", "--set", f"webhook.issuer.name={issuer}")
    made = rendered(helm, namespace, *values)
    theirs = [manifest for manifest in made.values() if manifest["apiVersion"] == "cert-manager.io/v1"]
    assert sorted(manifest["kind"] for manifest in theirs) == kinds
    for manifest in theirs:
        path = f"/apis/cert-manager.io/v1/namespaces/{namespace}/{manifest['kind'].lower()}s"
        await api.call("POST", path, query={"dryRun": "All", "fieldValidation": "Strict"}, body=manifest)
    leaf = made["Certificate", "smarter-webhook"]["spec"]
    assert leaf["dnsNames"] == [f"smarter-webhook.{namespace}.svc"]
    assert leaf["issuerRef"]["name"] == (issuer or "smarter-webhook-ca")
    configuration = made["ValidatingWebhookConfiguration", "smarter"]
    injected = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
    assert injected == f"{namespace}/smarter-webhook"
    assert bundle(made) == ""
    assert ("Secret", "smarter-webhook") not in made


def test_the_webhook_can_be_switched_off_without_a_trace(helm: Path) -> None:
    made = rendered(helm, "smarter-system", "--set", "webhook.enabled=false")
    assert not [key for key in made if "webhook" in " ".join(key).lower()]
    assert "webhook" not in str(made["Deployment", "smarter"])
