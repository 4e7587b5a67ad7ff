"""The cluster's DNS: CoreDNS as a program of the machine, behind the Service that pods ask."""

from typing import Any

import yaml

from smarter_cluster import files
from smarter_cluster.components import answers
from smarter_cluster.processes import Component
from smarter_cluster.site import Site

USER = "system:coredns"
Manifest = dict[str, Any]


def component(site: Site) -> Component:
    """CoreDNS on the machine's side of the link: names from outside are asked for where the machine asks."""
    corefile = site.folder / "Corefile"
    files.write(corefile, corefile_text(site))
    ready = answers(f"http://{site.addresses.host}:{site.port('coredns-ready')}/ready")
    return Component(name="coredns", command=(str(site.bin / "coredns"), "-conf", str(corefile)), ready=ready)


def corefile_text(site: Site) -> str:
    host, kubeconfig = site.addresses.host, site.pki / "coredns.kubeconfig"
    return f"""\
.:{site.port("coredns")} {{
    bind {host}
    errors
    health {host}:{site.port("coredns-health")}
    ready {host}:{site.port("coredns-ready")}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
}}
"""


def manifests(site: Site) -> str:
    """The Service `kube-dns`, its one endpoint, and what CoreDNS may read."""
    documents = [_role(), _binding(), _service(site), _endpoints(site)]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _role() -> Manifest:
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": USER},
        "rules": rules,
    }


def _binding() -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    }


def _service(site: Site) -> Manifest:
    ports = [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": site.addresses.dns, "ports": ports},
    }


def _endpoints(site: Site) -> Manifest:
    labels = {"kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "smarter-cluster"}
    ports = [{"name": name, "port": site.port("coredns"), "protocol": protocol} for name, protocol in _PORTS]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [site.addresses.host], "conditions": {"ready": True}}],
        "ports": ports,
    }


_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))
