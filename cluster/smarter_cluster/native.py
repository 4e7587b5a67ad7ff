"""A cluster of processes of this machine: the order in which it is built, and how it is taken down again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import addons, controlplane, dns, files, images, ingress, kubelet, node, programs
from smarter_cluster.addons import Kubectl
from smarter_cluster.controlplane import Credentials
from smarter_cluster.processes import Component, Processes
from smarter_cluster.reporting import Say
from smarter_cluster.site import Site


@dataclass(frozen=True, kw_only=True)
class Bringup:
    """What the steps share."""

    site: Site
    keys: Credentials
    processes: Processes
    kubectl: Kubectl
    say: Say

    def ensure(self, components: Sequence[Component]) -> None:
        started = self.processes.ensure(components)
        if started:
            self.say(f"started {', '.join(started)}")


def up(site: Site, definitions: Path, say: Say) -> None:
    """Have everything of the site's profile run; `definitions` is the folder with other projects' resources."""
    keys, kubectl = controlplane.credentials(site), Kubectl(site)
    step = Bringup(site=site, keys=keys, processes=Processes(site.folder), kubectl=kubectl, say=say)
    if site.has("node"):
        _namespaces(step)
    first, then = controlplane.components(site, keys)
    step.ensure(first)
    step.ensure(then)
    addons.install_definitions(site, definitions, kubectl)
    if site.has("node"):
        _node(step)
    if site.has("full"):
        _ingress(step)


def down(site: Site) -> None:
    """End and remove everything; the order only matters for what the kernel cannot clean up by itself."""
    processes = Processes(site.folder)
    for name in processes.names():
        processes.kill(name)
    if site.has("node"):
        node.disconnect(site)
        node.remove_cgroups(site)
    files.remove(site.folder)


def load(site: Site, archives: Iterable[Path], say: Say) -> None:
    """Have the images of the archives in the node."""
    images.load(site, node.enter(Processes(site.folder)), archives, say)


def component_names(site: Site) -> list[str]:
    """Everything that has to run in the site's profile."""
    parts = {
        "api": ("etcd", "kube-apiserver", "kube-controller-manager"),
        "node": (node.HOLDER, "containerd", "kube-scheduler", "kubelet", "kube-proxy", "coredns"),
        "full": ("contour", "envoy", "cert-manager"),
    }
    return [name for part in programs.up_to(site.profile) for name in parts[part]]


def _namespaces(step: Bringup) -> None:
    node.prepare(step.site)
    kubelet.write_configs(step.site, step.keys, node.outside_mtu())
    step.ensure([node.holder(step.site)])
    node.connect(step.site, step.processes)
    step.ensure([kubelet.containerd(step.site, node.enter(step.processes))])


def _node(step: Bringup) -> None:
    site, enter = step.site, node.enter(step.processes)
    images.ensure_sandbox(site, enter)
    addons.apply(site, "dns", dns.manifests(site), step.kubectl)
    proxy, dns_server = kubelet.kube_proxy(site, step.keys, enter), dns.component(site)
    step.ensure([kubelet.kubelet(site, step.keys, enter), proxy, dns_server])


def _ingress(step: Bringup) -> None:
    ingress.write_envoy_config(step.site)
    addons.apply(step.site, "ingress", ingress.manifests(step.site), step.kubectl)
    step.ensure(ingress.components(step.site, step.keys))
