"""The control plane: etcd, API server, controller manager and scheduler, with all that a real one has on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import audit, files, pki
from smarter_cluster.components import answers, component
from smarter_cluster.pki import KeyPair, Subject
from smarter_cluster.processes import Component
from smarter_cluster.site import Site

NODE_NAME = "node1"


@dataclass(frozen=True)
class Credentials:
    """The keys and certificates of one control plane."""

    authority: KeyPair
    front_proxy_authority: KeyPair
    service_account: KeyPair
    server: KeyPair
    kubelet: KeyPair
    to_kubelet: KeyPair
    front_proxy: KeyPair
    administrator: KeyPair
    kubeconfigs: dict[str, Path]


def credentials(site: Site) -> Credentials:
    """Make what is missing; the administrator's kubeconfig lies where users look for it."""
    authority = pki.Authority(site.pki, "smarter-cluster")
    front_proxy = pki.Authority(site.pki / "front-proxy", "smarter-cluster-front-proxy")
    users = {
        "admin": Subject(name="admin", organization="system:masters"),
        "kube-controller-manager": Subject(name="system:kube-controller-manager", hosts=("127.0.0.1",)),
        "kube-scheduler": Subject(name="system:kube-scheduler", hosts=("127.0.0.1",)),
        "kube-proxy": Subject(name="system:kube-proxy"),
        "coredns": Subject(name="system:coredns"),
        # What these two may do is their projects' affair; here they are trusted with everything.
        "contour": Subject(name="contour", organization="system:masters"),
        "cert-manager": Subject(name="cert-manager", organization="system:masters"),
    }
    kubelet = authority.issue("kubelet", _kubelet(site))
    pairs = {user: authority.issue(user, subject) for user, subject in users.items()} | {"kubelet": kubelet}
    return Credentials(
        authority=authority.pair,
        front_proxy_authority=front_proxy.pair,
        service_account=pki.signing_key(site.pki),
        server=authority.issue("kube-apiserver", _api_server(site)),
        kubelet=kubelet,
        to_kubelet=authority.issue("to-kubelet", Subject(name="kube-apiserver", organization="system:masters")),
        front_proxy=front_proxy.issue("client", Subject(name="front-proxy")),
        administrator=pairs["admin"],
        kubeconfigs={user: _kubeconfig(site, user, authority.pair.certificate, pair) for user, pair in pairs.items()},
    )


def _api_server(site: Site) -> Subject:
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    addresses = ("127.0.0.1", site.addresses.api_service, site.addresses.host)
    return Subject(name="kube-apiserver", hosts=(*service, "localhost", *addresses))


def _kubelet(site: Site) -> Subject:
    hosts = (NODE_NAME, "127.0.0.1", site.addresses.node)
    return Subject(name=f"system:node:{NODE_NAME}", organization="system:nodes", hosts=hosts)


def _kubeconfig(site: Site, user: str, authority: Path, pair: KeyPair) -> Path:
    path = site.kubeconfig if user == "admin" else site.pki / f"{user}.kubeconfig"
    # The node has a loopback of its own: what runs there reaches the API server over the link.
    inside = user in ("kubelet", "kube-proxy")
    server = f"https://{site.addresses.host}:{site.port('kube-apiserver')}" if inside else site.server
    files.write(path, pki.kubeconfig(server, authority, pair), 0o600)
    return path


def components(site: Site, keys: Credentials) -> tuple[list[Component], list[Component]]:
    """What stores and serves the API, and what needs it to be served before it can start."""
    first = [_etcd(site), _kube_apiserver(site, keys)]
    then = [_kube_controller_manager(site, keys)]
    if site.has("node"):
        then.append(_kube_scheduler(site, keys))
    return first, then


def _etcd(site: Site) -> Component:
    client, peer = (f"http://127.0.0.1:{site.port(name)}" for name in ("etcd", "etcd-peer"))
    options = {
        "data-dir": site.folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        # Losing the last writes with the machine is fine for a cluster that is made again in seconds.
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return component(site, "etcd", options, answers(f"{client}/health"))


def _kube_apiserver(site: Site, keys: Credentials) -> Component:
    options = {
        "etcd-servers": f"http://127.0.0.1:{site.port('etcd')}",
        # Pods come in over the link; without them nobody but this machine has business here.
        "bind-address": "0.0.0.0" if site.has("node") else "127.0.0.1",
        "advertise-address": site.addresses.host,
        "secure-port": site.port("kube-apiserver"),
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-cluster-ip-range": site.addresses.services,
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": keys.service_account.certificate,
        "service-account-signing-key-file": keys.service_account.key,
        "client-ca-file": keys.authority.certificate,
        "tls-cert-file": keys.server.certificate,
        "tls-private-key-file": keys.server.key,
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-certificate-authority": keys.authority.certificate,
        "kubelet-client-certificate": keys.to_kubelet.certificate,
        "kubelet-client-key": keys.to_kubelet.key,
        "requestheader-client-ca-file": keys.front_proxy_authority.certificate,
        "requestheader-allowed-names": "front-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": keys.front_proxy.certificate,
        "proxy-client-key-file": keys.front_proxy.key,
        **audit.options(site),
    }
    return component(site, "kube-apiserver", options, answers(f"{site.server}/readyz", keys.authority.certificate))


def _kube_controller_manager(site: Site, keys: Credentials) -> Component:
    options = _client_options(site, keys, "kube-controller-manager") | {
        "cluster-signing-cert-file": keys.authority.certificate,
        "cluster-signing-key-file": keys.authority.key,
        "root-ca-file": keys.authority.certificate,
        "service-account-private-key-file": keys.service_account.key,
        "use-service-account-credentials": "true",
        # The default of 20 makes the start, which fetches a token per controller, last five seconds longer.
        "kube-api-qps": "100",
        "kube-api-burst": "200",
    }
    # A pod can be made once its namespace has this account: the first thing that others would stumble over.
    account = f"{site.server}/api/v1/namespaces/default/serviceaccounts/default"
    usable = answers(account, keys.authority.certificate, keys.administrator)
    healthy = _healthy(site, keys, "kube-controller-manager")
    return component(site, "kube-controller-manager", options, lambda: healthy() and usable())


def _kube_scheduler(site: Site, keys: Credentials) -> Component:
    options = _client_options(site, keys, "kube-scheduler")
    return component(site, "kube-scheduler", options, _healthy(site, keys, "kube-scheduler"))


def _client_options(site: Site, keys: Credentials, name: str) -> dict[str, object]:
    config = keys.kubeconfigs[name]
    return {
        "kubeconfig": config,
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "secure-port": site.port(name),
        "tls-cert-file": site.pki / f"{name}.crt",
        "tls-private-key-file": site.pki / f"{name}.key",
    }


def _healthy(site: Site, keys: Credentials, name: str) -> Callable[[], bool]:
    return answers(f"https://127.0.0.1:{site.port(name)}/healthz", keys.authority.certificate)
