"""Helm, as a platform team runs it."""

import subprocess

from smarter_cluster.cluster import Cluster


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run Helm and return what it prints."""
    command = [str(cluster.program("helm")), *arguments, "--kubeconfig", str(cluster.kubeconfig)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout
