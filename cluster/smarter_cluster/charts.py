"""Installs the project's own charts with Helm, as a platform team does."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from smarter_cluster.cluster import Cluster
from smarter_cluster.errors import ClusterError

NAMESPACE = "smarter-system"
"""Where the operator lives."""

ISSUER = "demo-ca"
INGRESS_CLASS = "contour"
WAIT_SECONDS = 180
_VALUES = {"operator": "image", "runtime": "runtime.image", "runtime-langchain": "runtime.langchainImage"}


def install(cluster: Cluster, source: Path, images: Mapping[str, str], *, wait: bool) -> None:
    """Install CRDs and operator from the project in `source`.

    Args:
        images: name of the image of each part: `operator`, `runtime`, and `runtime-langchain` if bots may need it.
        wait: whether to wait until the operator's pod is ready; a cluster without nodes runs none.

    Raises:
        ClusterError: with what Helm said.
    """
    values = {"platform.issuer.name": ISSUER, "platform.ingressClass": INGRESS_CLASS}
    for part, image in images.items():
        repository, _, tag = image.rpartition(":")
        values |= {f"{_VALUES[part]}.repository": repository, f"{_VALUES[part]}.tag": tag}
    options = [option for key, value in values.items() for option in ("--set-string", f"{key}={value}")]
    # Where no pod runs, the API server would ask nobody, and wait for the answer at every write.
    options += ["--wait", f"--timeout={WAIT_SECONDS}s"] if wait else ["--set", "webhook.enabled=false"]
    _upgrade(cluster, source / "charts" / "smarter-crds")
    _upgrade(cluster, source / "charts" / "smarter", *options)


def _upgrade(cluster: Cluster, chart: Path, *options: str) -> None:
    command = [cluster.program("helm"), "upgrade", "--install", chart.name, chart, "--kubeconfig", cluster.kubeconfig]
    command += ["--namespace", NAMESPACE, "--create-namespace", *options]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"Helm could not install the chart {chart.name!r}: {result.stderr.strip()}")
