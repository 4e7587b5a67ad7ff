import subprocess

import yaml

from e2e.conftest import Shop
from support.api import Api, eventually
from support.manifests import Manifest, chatbot, plugin


def applied(shop: Shop, manifest: Manifest) -> subprocess.CompletedProcess[str]:
    """Apply as a user does; nothing is stored."""
    command = [shop.cluster.bin / "kubectl", "--kubeconfig", shop.cluster.kubeconfig]
    command += ["apply", "--dry-run=server", "-f", "-"]
    return subprocess.run(
        [str(part) for part in command], input=yaml.safe_dump(manifest), capture_output=True, text=True, check=False
    )


async def test_the_running_operator_warns_and_denies_while_kubectl_waits(shop: Shop, api: Api) -> None:
    bot = chatbot(namespace="shoes", name="another", plugins=[{"name": "nobody"}])
    said = "Warning: Plugin 'nobody' is not in namespace 'shoes'; create it, or remove it from `spec.plugins`."

    async def warned() -> bool:
        # The kubelet may still be bringing the certificate.
        return said in applied(shop, bot).stderr

    await eventually(warned, 60, every_seconds=1)
    refused = applied(shop, plugin(namespace="shoes", static={"data": {"a": "x" * 140_000}}))
    assert refused.returncode == 1
    assert "`spec.static.data` takes 140008 bytes as JSON, and 131072 are allowed" in refused.stderr
