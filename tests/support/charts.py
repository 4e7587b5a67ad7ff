"""Installs our charts with Helm, as a platform team does."""

import subprocess
from pathlib import Path

from smarter_cluster.build import Programs
from smarter_cluster.cluster import Cluster
from smarter_cluster.programs import ALL
from smarter_cluster.settings import Settings

CHARTS = Path(__file__).parents[2] / "charts"
NAMESPACE = "smarter-system"


def install(cluster: Cluster, *values: str) -> None:
    """Install CRDs and operator; `values` are Helm's `key=value`."""
    _helm(cluster, "smarter-crds", "smarter-crds")
    _helm(cluster, "smarter", "smarter", *(part for value in values for part in ("--set-string", value)))


def helm() -> Path:
    """Return the program, compiled first where it is missing."""
    programs = Programs(Settings().cache, print)
    programs.ensure([ALL["helm"]])
    return programs.path("helm")


def _helm(cluster: Cluster, release: str, chart: str, *options: str) -> None:
    command = [helm(), "upgrade", "--install", release, CHARTS / chart, "--kubeconfig", cluster.kubeconfig]
    command += ["--namespace", NAMESPACE, "--create-namespace", *options]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"helm failed: {result.stderr}"
