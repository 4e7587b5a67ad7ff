"""A cluster by kind, where a Docker engine answers; what comes on top of it is the same as without."""

import json
from collections.abc import Iterable
from pathlib import Path

import yaml

from smarter_cluster import addons, archives, files, ingress, programs, shell
from smarter_cluster.addons import Kubectl
from smarter_cluster.processes import Processes
from smarter_cluster.reporting import Say
from smarter_cluster.site import Site

CONTOUR_MANIFESTS = "examples/render/contour.yaml"
# Contour's own manifests let Envoy serve HTTPS on this port of the node.
NODE_HTTPS_PORT = 443


def config(site: Site) -> str:
    """What kind is told: the address of the API, and where Envoy's port appears on this machine."""
    mapping = {"containerPort": NODE_HTTPS_PORT, "hostPort": site.port("https"), "listenAddress": ingress.LOOPBACK}
    node = {"role": "control-plane", "extraPortMappings": [mapping]}
    networking = {"apiServerAddress": ingress.LOOPBACK, "apiServerPort": site.port("kube-apiserver")}
    document = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "networking": networking, "nodes": [node]}
    return yaml.safe_dump(document, sort_keys=False)


def cluster_name(site: Site) -> str:
    return f"smarter-{site.name}"


def create_command(site: Site, config_file: Path) -> list[str]:
    options = ("--config", str(config_file), "--kubeconfig", str(site.kubeconfig), "--wait", "120s")
    return [_kind(site), "create", "cluster", "--name", cluster_name(site), *options]


def delete_command(site: Site) -> list[str]:
    options = ("--kubeconfig", str(site.kubeconfig))
    return [_kind(site), "delete", "cluster", "--name", cluster_name(site), *options]


def load_command(site: Site, archive: Path) -> list[str]:
    return [_kind(site), "load", "image-archive", str(archive), "--name", cluster_name(site)]


def up(site: Site, definitions: Path, contour: Path, say: Say) -> None:
    """Have everything of the site's profile run; `contour` is the folder of Contour's module."""
    kubectl = Kubectl(site)
    if cluster_name(site) not in shell.run([_kind(site), "get", "clusters"]).split():
        _create(site, say)
    addons.install_definitions(site, definitions, kubectl)
    if site.has("full"):
        addons.once(site, "contour", contour.name, lambda: _contour(contour, kubectl, say))
        addons.apply(site, "ingress", ingress.manifests(site), kubectl)
        started = Processes(site.folder).ensure([ingress.cert_manager(site, site.kubeconfig)])
        if started:
            say(f"started {', '.join(started)}")


def down(site: Site) -> None:
    """Remove the cluster with its containers, and what ran beside it."""
    processes = Processes(site.folder)
    for name in processes.names():
        processes.kill(name)
    shell.run(delete_command(site))
    files.remove(site.folder)


def load(site: Site, archive_files: Iterable[Path], say: Say) -> None:
    """Have the images of the archives in the node; kind itself skips those that are there."""
    for archive in archive_files:
        shell.run(load_command(site, archive))
        say(f"loaded {', '.join(archives.names(archive))}")


def runs(site: Site) -> bool:
    """Whether the API of the cluster answers."""
    return shell.succeeds([str(site.bin / "kubectl"), "--kubeconfig", str(site.kubeconfig), "get", "--raw", "/readyz"])


def status_address_patch() -> str:
    """What makes Contour write the address into each Ingress that on a cloud would be its load balancer's."""
    argument = f"--ingress-status-address={ingress.LOOPBACK}"
    return json.dumps([{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": argument}])


def _create(site: Site, say: Say) -> None:
    say(f"creating cluster {cluster_name(site)} with kind {programs.KIND}")
    config_file = site.folder / "kind.yaml"
    files.write(config_file, config(site))
    shell.run(create_command(site, config_file))


def _contour(module: Path, kubectl: Kubectl, say: Say) -> None:
    say(f"installing Contour {programs.CONTOUR}")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(module / CONTOUR_MANIFESTS))
    patch = ("--type=json", f"--patch={status_address_patch()}")
    kubectl("--namespace=projectcontour", "patch", "deployment", "contour", *patch)
    for workload in ("deployment/contour", "daemonset/envoy"):
        kubectl("--namespace=projectcontour", "rollout", "status", workload, "--timeout=180s")


def _kind(site: Site) -> str:
    return str(site.bin / "kind")
