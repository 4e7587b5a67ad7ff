"""What runs inside the node: containerd, the kubelet and kube-proxy."""

import json

import yaml

from smarter_cluster import files, node, shell
from smarter_cluster.components import answers, component
from smarter_cluster.controlplane import NODE_NAME, Credentials
from smarter_cluster.packages import CNI_PLUGINS
from smarter_cluster.processes import Component
from smarter_cluster.programs import PAUSE
from smarter_cluster.site import Site

SANDBOX_IMAGE = f"localhost/pause:{PAUSE}"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_configs(site: Site, keys: Credentials, mtu: int) -> None:
    """Write what the programs of the node read."""
    files.write(site.folder / "resolv.conf", f"nameserver {site.addresses.dns}\n")
    files.write(site.folder / "containerd.toml", containerd_config(site))
    files.write(site.folder / "cni" / "10-bridge.conflist", json.dumps(cni_config(site, mtu), indent=2))
    files.write(site.folder / "kubelet.yaml", yaml.safe_dump(kubelet_config(site, keys), sort_keys=False))


def containerd_config(site: Site) -> str:
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{SANDBOX_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE, runc would die with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{CNI_PLUGINS}"]
    conf_dir = "{site.folder / "cni"}"
"""


def cni_config(site: Site, mtu: int) -> dict[str, object]:
    ranges = [[{"subnet": str(site.addresses.pods)}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "mtu": mtu, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}


def kubelet_config(site: Site, keys: Credentials) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(keys.kubelet.certificate),
        "tlsPrivateKeyFile": str(keys.kubelet.key),
        "healthzBindAddress": site.addresses.node,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup(site)}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [site.addresses.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": str(site.folder / "resolv.conf"),
        # The disk belongs to somebody: only a full one is this cluster's business.
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 500,
        "serializeImagePulls": False,
    }


def containerd(site: Site, enter: tuple[str, ...]) -> Component:
    path = f"PATH={site.bin}:{SYSTEM_PATH}"
    command = ("env", path, str(site.bin / "containerd"), "--config", str(site.folder / "containerd.toml"))
    ready = [*ctr(site, enter), "version"]
    return Component(
        name="containerd",
        command=command,
        enter=enter,
        proc=node.MACHINE_PROC,
        ready=lambda: shell.succeeds(ready),
    )


def ctr(site: Site, enter: tuple[str, ...]) -> tuple[str, ...]:
    """The command line client of the node's containerd, with the images that the kubelet sees."""
    return (*enter, str(site.bin / "ctr"), "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io")


def kubelet(site: Site, keys: Credentials, enter: tuple[str, ...]) -> Component:
    options = {
        "config": site.folder / "kubelet.yaml",
        "kubeconfig": keys.kubeconfigs["kubelet"],
        "hostname-override": NODE_NAME,
        "node-ip": site.addresses.node,
    }
    healthy = answers(f"http://{site.addresses.node}:10248/healthz")
    found = answers(f"{site.server}/api/v1/nodes/{NODE_NAME}", keys.authority.certificate, keys.administrator, _ready)
    return component(site, "kubelet", options, lambda: healthy() and found(), enter=enter, proc=node.MACHINE_PROC)


def kube_proxy(site: Site, keys: Credentials, enter: tuple[str, ...]) -> Component:
    options = {
        "kubeconfig": keys.kubeconfigs["kube-proxy"],
        "proxy-mode": "iptables",
        "cluster-cidr": site.addresses.pods,
        "hostname-override": NODE_NAME,
        # Limits of the whole machine's kernel, which are not the cluster's to set.
        "conntrack-max-per-core": 0,
        "conntrack-tcp-timeout-established": 0,
        "conntrack-tcp-timeout-close-wait": 0,
    }
    healthy = answers(f"http://{site.addresses.node}:10256/healthz")
    return component(site, "kube-proxy", options, healthy, enter=enter, proc=node.MACHINE_PROC)


def _ready(body: bytes) -> bool:
    conditions = json.loads(body).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
