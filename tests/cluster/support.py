"""What the tests of the cluster share."""

from pathlib import Path

from smarter_cluster.controlplane import Credentials
from smarter_cluster.network import choose_ports
from smarter_cluster.pki import KeyPair
from smarter_cluster.programs import Engine, Profile
from smarter_cluster.site import Record, Site


def site(folder: Path, profile: Profile = "full", *, index: int = 0, engine: Engine = "native") -> Site:
    """A cluster `demo` with the usual ports, of which nothing exists."""
    ports = choose_ports("full", (), lambda _: True, known={})
    return Site("demo", folder, Record(index=index, profile=profile, ports=ports, engine=engine))


def credentials() -> Credentials:
    """Credentials whose files do not exist."""
    users = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "contour", "cert-manager")
    parts = ("authority", "front_proxy_authority", "service_account", "server", "kubelet", "to_kubelet", "front_proxy")
    return Credentials(
        **{part: _pair(part) for part in parts},
        administrator=_pair("admin"),
        kubeconfigs={user: Path(f"/{user}.kubeconfig") for user in users},
    )


def _pair(name: str) -> KeyPair:
    return KeyPair(Path(f"/{name}.key"), Path(f"/{name}.crt"))
