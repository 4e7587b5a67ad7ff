"""A cluster of processes of this machine: the order in which it is built, and how it is taken down again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import addons, audit, controlplane, dns, files, images, ingress, kubelet, node, programs
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

    def start(self, components: Sequence[Component]) -> None:
        started = self.processes.start(components)
        if started:
            self.say(f"started {', '.join(started)}")

    def ensure(self, components: Sequence[Component]) -> None:
        self.start(components)
        self.processes.wait(components)

    def apply(self, name: str, manifests: str) -> None:
        addons.apply(self.site, name, manifests, self.kubectl)


def up(site: Site, definitions: Path, say: Say) -> None:
    """Have everything of the site's profile run; `definitions` is the folder with other projects' resources."""
    keys, kubectl = controlplane.credentials(site), Kubectl(site)
    step = Bringup(site=site, keys=keys, processes=Processes(site.folder), kubectl=kubectl, say=say)
    audit.write_policy(site)
    before_the_api, after_it = controlplane.components(site, keys)
    if site.has("node"):
        before_the_api.insert(0, _node(step))
    step.ensure(before_the_api)
    if site.has("node"):
        images.ensure_sandbox(site, node.enter(step.processes))
        after_it += _node_components(step)
    step.start(after_it)
    addons.install_definitions(site, definitions, kubectl)
    if site.has("full"):
        step.apply("ingress", ingress.manifests(site))
        ingress.write_envoy_config(site)
        after_it += ingress.components(site, keys)
    step.ensure(after_it)


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


def _node(step: Bringup) -> Component:
    """Make the node; what then has to run in it before anything else is containerd."""
    node.prepare(step.site)
    kubelet.write_configs(step.site, step.keys, node.outside_mtu())
    step.ensure([node.holder(step.site)])
    node.connect(step.site, step.processes)
    return kubelet.containerd(step.site, node.enter(step.processes))


def _node_components(step: Bringup) -> list[Component]:
    site, enter = step.site, node.enter(step.processes)
    step.apply("dns", dns.manifests(site))
    return [kubelet.kubelet(site, step.keys, enter), kubelet.kube_proxy(site, step.keys, enter), dns.component(site)]
