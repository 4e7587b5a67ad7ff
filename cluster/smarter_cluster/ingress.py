"""HTTPS from outside: Contour and Envoy on the machine, and cert-manager with an authority for the demo."""

import base64
from pathlib import Path
from typing import Any

import yaml

from smarter_cluster import files, shell
from smarter_cluster.components import answers
from smarter_cluster.controlplane import Credentials
from smarter_cluster.pki import Authority, KeyPair
from smarter_cluster.processes import Component
from smarter_cluster.site import Site

LOOPBACK = "127.0.0.1"
ISSUER = "demo-ca"
CLUSTER_RESOURCES = "cert-manager"
Manifest = dict[str, Any]


def demo_authority(site: Site) -> KeyPair:
    """The authority whose certificates the visitors of the demo's chatbots see."""
    return Authority(site.pki / "demo", "Smarter demo CA").pair


def components(site: Site, keys: Credentials) -> list[Component]:
    """Contour and cert-manager, which read the cluster, and Envoy, which Contour tells what to do."""
    return [_contour(site, keys), _envoy(site), cert_manager(site, keys.kubeconfigs["cert-manager"])]


def _contour(site: Site, keys: Credentials) -> Component:
    config = site.folder / "contour.yaml"
    files.write(config, "disablePermitInsecure: false\n")
    options = {
        "config-path": config,
        "kubeconfig": keys.kubeconfigs["contour"],
        "xds-address": LOOPBACK,
        "xds-port": site.port("contour-xds"),
        "envoy-service-https-address": LOOPBACK,
        "envoy-service-https-port": site.port("https"),
        "envoy-service-http-address": LOOPBACK,
        "envoy-service-http-port": site.port("http"),
        "stats-address": LOOPBACK,
        "stats-port": site.port("envoy-stats"),
        "http-address": LOOPBACK,
        "http-port": site.port("contour-http"),
        "health-address": LOOPBACK,
        "health-port": site.port("contour-http"),
        "debug-http-address": LOOPBACK,
        "debug-http-port": site.port("contour-debug"),
        "ingress-class-name": "contour",
        "ingress-status-address": LOOPBACK,
    }
    arguments = (f"--{option}={value}" for option, value in options.items())
    # Between Contour and Envoy lies only the loopback device.
    command = (str(site.bin / "contour"), "serve", "--insecure", "--disable-leader-election", *arguments)
    healthy = answers(f"http://{LOOPBACK}:{site.port('contour-http')}/healthz")
    return Component(name="contour", command=command, ready=healthy)


def write_envoy_config(site: Site) -> None:
    """Have the file with which Envoy finds Contour."""
    config = site.folder / "envoy.json"
    if not config.is_file():
        xds = (f"--xds-address={LOOPBACK}", f"--xds-port={site.port('contour-xds')}")
        admin = f"--admin-address={site.folder / 'envoy.sock'}"
        shell.run([str(site.bin / "contour"), "bootstrap", *xds, admin, str(config)])


def _envoy(site: Site) -> Component:
    options = ("--config-path", str(site.folder / "envoy.json"), "--log-level", "warn", "--disable-hot-restart")
    identity = ("--service-cluster", "projectcontour", "--service-node", "envoy")
    # This listener comes from Contour: when it answers, the two have found each other.
    ready = answers(f"http://{LOOPBACK}:{site.port('envoy-stats')}/ready")
    return Component(name="envoy", command=(str(site.bin / "envoy"), *options, *identity), ready=ready)


def cert_manager(site: Site, kubeconfig: Path) -> Component:
    """The controllers of cert-manager; they only need to reach the API."""
    address = f"{LOOPBACK}:{site.port('cert-manager-health')}"
    options = (
        f"--kubeconfig={kubeconfig}",
        f"--cluster-resource-namespace={CLUSTER_RESOURCES}",
        f"--health-address={address}",
    )
    command = (str(site.bin / "cert-manager"), *options)
    return Component(name="cert-manager", command=command, ready=answers(f"http://{address}/healthz"))


def manifests(site: Site) -> str:
    """The default IngressClass, and the ClusterIssuer `demo-ca` with its Secret."""
    pair = demo_authority(site)
    documents = [_namespace(CLUSTER_RESOURCES), _ingress_class(), _authority_secret(pair), _issuer()]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _ingress_class() -> Manifest:
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "contour", "annotations": annotations},
        "spec": {"controller": "projectcontour.io/ingress-controller"},
    }


def _authority_secret(pair: KeyPair) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ISSUER, "namespace": CLUSTER_RESOURCES},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": _encoded(pair.certificate), "tls.key": _encoded(pair.key)},
    }


def _issuer() -> Manifest:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": ISSUER},
        "spec": {"ca": {"secretName": ISSUER}},
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
