import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.support import credentials, site
from smarter_cluster import audit, controlplane, dns, ingress, kubelet, native, node
from smarter_cluster.errors import ClusterError
from smarter_cluster.processes import Component
from smarter_cluster.programs import Profile

FOLDER = Path("/state/demo")


def options(component: Component) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in component.command[1:] if "=" in argument)
    return {name: value for name, _, value in pairs}


def named(components: list[Component], name: str) -> Component:
    return next(component for component in components if component.name == name)


def manifests(text: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize(
    ("profile", "address"),
    [
        pytest.param("api", "127.0.0.1", id="without-pods-only-this-machine-reaches-the-api"),
        pytest.param("node", "0.0.0.0", id="pods-come-in-over-the-link"),
    ],
)
def test_the_api_server_listens_where_it_is_needed(profile: Profile, address: str) -> None:
    first, _ = controlplane.components(site(FOLDER, profile), credentials())
    assert options(named(first, "kube-apiserver"))["bind-address"] == address


def test_the_api_server_has_on_what_a_real_one_has() -> None:
    first, _ = controlplane.components(site(FOLDER), credentials())
    shown = options(named(first, "kube-apiserver"))
    assert shown["authorization-mode"] == "Node,RBAC"
    assert not [name for name in shown if name.startswith(("disable", "feature-gates", "runtime-config"))]


def test_the_api_server_records_requests_only_of_whom_it_is_told(tmp_path: Path) -> None:
    plain = site(tmp_path)
    audited = replace(plain, record=replace(plain.record, audited="system:serviceaccount:a:b"))
    shown, recording = (
        options(named(controlplane.components(of, credentials())[0], "kube-apiserver")) for of in (plain, audited)
    )
    assert not [name for name in shown if name.startswith("audit")]
    assert recording["audit-log-path"] == str(audit.log(audited))
    audit.write_policy(audited)
    policy = yaml.safe_load(Path(recording["audit-policy-file"]).read_text(encoding="utf-8"))
    assert policy["rules"] == [{"level": "Metadata", "users": ["system:serviceaccount:a:b"]}, {"level": "None"}]


@pytest.mark.parametrize(
    ("profile", "count"),
    [pytest.param("api", 3, id="api"), pytest.param("node", 9, id="node"), pytest.param("full", 12, id="full")],
)
def test_each_profile_has_all_of_the_smaller_ones(profile: Profile, count: int) -> None:
    names = native.component_names(site(FOLDER, profile))
    assert len(names) == count
    assert names[:3] == ["etcd", "kube-apiserver", "kube-controller-manager"]


def test_containerd_keeps_its_files_where_only_the_node_sees_them() -> None:
    config = tomllib.loads(kubelet.containerd_config(site(FOLDER)))
    assert config["root"] in node.FOLDERS
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cni"]["conf_dir"] == "/state/demo/cni"
    assert config["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == kubelet.SANDBOX_IMAGE


def test_two_kubelets_use_different_cgroups_and_networks() -> None:
    one, other = site(FOLDER, index=0), site(FOLDER, index=1)
    assert kubelet.kubelet_config(one, credentials())["cgroupRoot"] == "/smarter-demo"
    assert kubelet.cni_config(one, 1400) != kubelet.cni_config(other, 1400)
    assert (
        kubelet.kubelet_config(one, credentials())["clusterDNS"]
        != kubelet.kubelet_config(other, credentials())["clusterDNS"]
    )


def test_packets_of_pods_are_no_larger_than_the_way_out_takes() -> None:
    plugins: Any = kubelet.cni_config(site(FOLDER), 1400)["plugins"]
    assert plugins[0]["mtu"] == 1400


def test_every_rule_in_the_machines_firewall_carries_the_clusters_name() -> None:
    rules = node.firewall_rules(site(FOLDER))
    assert [rule[:2] for rule in rules] == [["nat", "POSTROUTING"]] * 2 + [["filter", "FORWARD"]] * 2
    assert all("smarter-cluster:demo" in rule for rule in rules)
    assert all("smarter0" in rule for rule in rules)


def test_the_dns_service_leads_to_the_program_on_the_machine() -> None:
    here = site(FOLDER)
    shown = manifests(dns.manifests(here))
    assert shown["Service"]["spec"]["clusterIP"] == "10.96.0.10"
    assert shown["EndpointSlice"]["endpoints"][0]["addresses"] == [here.addresses.host]
    assert {port["port"] for port in shown["EndpointSlice"]["ports"]} == {here.port("coredns")}
    corefile = dns.corefile_text(here)
    assert f".:{here.port('coredns')} {{" in corefile
    assert f"bind {here.addresses.host}" in corefile
    assert "forward . /etc/resolv.conf" in corefile


def test_ingresses_use_contour_and_certificates_the_demo_authority(tmp_path: Path) -> None:
    shown = manifests(ingress.manifests(site(tmp_path)))
    assert shown["IngressClass"]["metadata"]["annotations"] == {"ingressclass.kubernetes.io/is-default-class": "true"}
    assert shown["ClusterIssuer"]["spec"]["ca"]["secretName"] == shown["Secret"]["metadata"]["name"] == "demo-ca"
    assert shown["Secret"]["metadata"]["namespace"] == ingress.CLUSTER_RESOURCES


def test_only_envoy_serves_visitors_and_only_on_loopback() -> None:
    here = site(FOLDER)
    contour = options(named(ingress.components(here, credentials()), "contour"))
    assert contour["envoy-service-https-address"] == "127.0.0.1"
    assert contour["envoy-service-https-port"] == "443"
    assert {value for name, value in contour.items() if name.endswith("address")} == {"127.0.0.1"}


def test_without_root_pods_are_refused_before_anything_is_compiled_for_them() -> None:
    with pytest.raises(ClusterError, match="--profile api"):
        node.refuse_without_root(1000)
    node.refuse_without_root(0)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(["cgroup.controllers"], [""], id="v2"),
        pytest.param(["cpu/tasks", "memory/tasks"], ["cpu", "memory"], id="v1"),
    ],
)
def test_pods_cgroups_are_made_in_every_hierarchy(tmp_path: Path, files: list[str], expected: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "cpu,cpuacct").symlink_to(tmp_path)
    assert node.cgroup_hierarchies(tmp_path) == [tmp_path / name for name in expected]
