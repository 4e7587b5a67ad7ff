"""Makes real clusters and removes them; the machine must look as before. Needs root for the parts with pods."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from smarter_cluster import Cluster, ClusterError, programs
from smarter_cluster.build import Programs
from smarter_cluster.processes import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces for pods need root")
NAME = f"test-{os.getpid()}"


@dataclass(frozen=True)
class Machine:
    """What a cluster could leave behind; everything it makes on the machine carries its name."""

    processes: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    firewall: tuple[str, ...]
    cgroups: frozenset[str]


def machine() -> Machine:
    return Machine(
        processes=frozenset(own_processes()),
        mounts=frozenset(line for line in Path("/proc/mounts").read_text().splitlines() if NAME in line),
        links=frozenset(
            path.read_text() for path in Path("/sys/class/net").glob("*/ifalias") if NAME in path.read_text()
        ),
        firewall=tuple(line for line in firewall() if NAME in line),
        cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob(f"**/smarter-{NAME}")),
    )


def own_processes() -> Iterator[str]:
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if f"/{NAME}/" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            yield line


def firewall() -> list[str]:
    if os.geteuid() != 0:
        return []
    shown = [
        subprocess.run(["iptables-save", "-t", table], capture_output=True, text=True) for table in ("nat", "filter")
    ]
    return [
        line.rpartition("[")[0] if line.startswith(":") else line for one in shown for line in one.stdout.splitlines()
    ]


def foreign_rules() -> set[str]:
    """The firewall's rules and chains that are of no local cluster; the pods' own rules are in the node."""
    return {line for line in firewall() if line.startswith(("-", ":")) and "smarter-cluster:" not in line}


@pytest.fixture
def before() -> Machine:
    return machine()


@pytest.fixture
def lines() -> list[str]:
    """What the cluster says while it works."""
    return []


@pytest.fixture
def cluster(before: Machine, lines: list[str]) -> Iterator[Cluster]:
    made = Cluster(NAME, say=lines.append)
    yield made
    made.down()


def kill(cluster: Cluster, name: str) -> int:
    (pid,) = [component.pid for component in cluster.status() if component.name == name]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: name in dead(cluster), 10)
    return pid


def dead(cluster: Cluster) -> list[str]:
    return [component.name for component in cluster.status() if component.pid is None]


def started(lines: list[str]) -> list[str]:
    shown = [line.removeprefix("started ").split(", ") for line in lines if line.startswith("started ")]
    return [name for names in shown for name in names]


def test_an_api_cluster_comes_is_repaired_and_goes_without_a_trace(
    cluster: Cluster, before: Machine, lines: list[str]
) -> None:
    cluster.up()
    assert "namespace/kube-system" in cluster.kubectl("get", "namespaces", "--output=name")
    assert "customresourcedefinition.apiextensions.k8s.io/certificates.cert-manager.io" in cluster.kubectl(
        "get", "crds", "--output=name"
    )
    assert cluster.kubectl("create", "token", "default").count(".") == 2
    running = {component.name: component.pid for component in cluster.status()}

    lines.clear()
    cluster.up()
    assert started(lines) == []
    assert {component.name: component.pid for component in cluster.status()} == running

    kill(cluster, "kube-controller-manager")
    cluster.up()
    assert started(lines) == ["kube-controller-manager"]
    assert dead(cluster) == []

    folder = cluster.kubeconfig.parent
    cluster.down()
    assert machine() == before
    assert not folder.exists()
    cluster.down()
    with pytest.raises(ClusterError, match="There is no cluster"):
        _ = cluster.kubeconfig


def test_down_cleans_up_after_every_program_was_killed(cluster: Cluster, before: Machine) -> None:
    cluster.up()
    for component in cluster.status():
        kill(cluster, component.name)
    cluster.down()
    assert machine() == before


def test_two_clusters_live_side_by_side(cluster: Cluster) -> None:
    other = Cluster(f"{NAME}-b", say=lambda _: None)
    try:
        cluster.up()
        other.up()
        cluster.kubectl("create", "namespace", "only-here")
        assert "only-here" not in other.kubectl("get", "namespaces")
        other.down()
        assert dead(cluster) == []
        assert "only-here" in cluster.kubectl("get", "namespaces")
    finally:
        other.down()


@needs_root
def test_a_node_runs_pods_and_goes_without_a_trace(cluster: Cluster, before: Machine, lines: list[str]) -> None:
    others = foreign_rules()
    cluster.up()
    cluster.kubectl("create", "configmap", "survivor")
    cluster.profile = "node"
    cluster.up()
    assert "survivor" in cluster.kubectl("get", "configmaps", "--output=name")
    cluster.kubectl("apply", "--filename=-", stdin=PODS)
    cluster.kubectl("rollout", "status", "deployment/waits", "--timeout=60s")
    address = cluster.kubectl("get", "pods", "--output=jsonpath={.items[0].status.podIP}")
    assert address.startswith("10.244.")
    assert machine().mounts == before.mounts
    assert (len(machine().links), len(machine().firewall)) == (1, 4)
    assert foreign_rules() == others

    lines.clear()
    kill(cluster, "kubelet")
    cluster.up()
    assert started(lines) == ["kubelet"]
    assert cluster.kubectl("get", "pods", "--output=jsonpath={.items[0].status.podIP}") == address

    cluster.down()
    assert machine() == before


@needs_root
def test_a_node_that_lost_its_namespaces_is_made_again(cluster: Cluster, before: Machine) -> None:
    cluster.profile = "node"
    cluster.up()
    cluster.kubectl("apply", "--filename=-", stdin=PODS)
    cluster.kubectl("rollout", "status", "deployment/waits", "--timeout=60s")
    kill(cluster, "node")
    cluster.up()
    assert dead(cluster) == []
    cluster.kubectl("rollout", "restart", "deployment/waits")
    cluster.kubectl("rollout", "status", "deployment/waits", "--timeout=60s")
    cluster.down()
    assert machine() == before


@needs_root
def test_down_cleans_up_after_an_up_that_stopped_half_way(cluster: Cluster, before: Machine) -> None:
    cluster.profile = "node"

    def stop_when_the_node_is_there(line: str) -> None:
        if "node" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cluster(NAME, "node", say=stop_when_the_node_is_there).up()
    cluster.down()
    assert machine() == before


def test_two_callers_compile_a_missing_program_once(tmp_path: Path) -> None:
    lines: list[str] = []
    wanted = [programs.ALL["pause"]]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(Programs(tmp_path, lines.append).ensure, wanted) for _ in range(2)]:
            done.result()
    assert len([line for line in lines if line.startswith("compiling pause")]) == 1
    program = Programs(tmp_path, lines.append).path("pause")
    with subprocess.Popen([program]) as running:
        running.send_signal(signal.SIGTERM)
    assert running.returncode in (0, -signal.SIGTERM)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []


PODS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: waits}
spec:
  replicas: 2
  selector: {matchLabels: {app: waits}}
  template:
    metadata: {labels: {app: waits}}
    spec:
      containers: [{name: waits, image: "localhost/pause:1", imagePullPolicy: Never}]
"""
