"""Which programs the cluster consists of, in which versions, and what each profile needs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Profile = Literal["api", "node", "full"]
Engine = Literal["native", "kind"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

KUBERNETES = "1.37.2"
ETCD = "3.7.3"
CONTAINERD = "2.4.2"
COREDNS = "1.15.0"
CONTOUR = "1.33.8"
CERT_MANAGER = "1.21.2"
GATEWAY_API = "1.3.0"
HELM = "4.3.1"
KIND = "0.33.0"
PAUSE = "1"

MODULES = {
    "k8s.io/kubernetes": KUBERNETES,
    "go.etcd.io/etcd/server/v3": ETCD,
    "github.com/containerd/containerd/v2": CONTAINERD,
    "github.com/coredns/coredns": COREDNS,
    "github.com/cert-manager/cert-manager": CERT_MANAGER,
    "github.com/projectcontour/contour": CONTOUR,
    "sigs.k8s.io/gateway-api": GATEWAY_API,
    "helm.sh/helm/v4": HELM,
    "sigs.k8s.io/kind": KIND,
}

SOURCES = Path(__file__).parent / "programs"
"""One folder per family: its go.mod and go.sum pin everything that is compiled, and small programs of our own."""


def up_to(profile: Profile) -> tuple[Profile, ...]:
    """A profile and the smaller ones it contains."""
    return PROFILES[: PROFILES.index(profile) + 1]


def larger(one: Profile, other: Profile) -> Profile:
    return max(one, other, key=PROFILES.index)


@dataclass(frozen=True)
class Program:
    """One executable and the Go package it is compiled from."""

    name: str
    version: str
    package: str
    family: str = "kubernetes"

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def built(self) -> str:
        """What `go build` names it: the last part of the package that is no major version."""
        return next(part for part in reversed(self.package.split("/")) if not re.fullmatch(r"v\d+", part))


def _kubernetes(name: str) -> Program:
    return Program(name, KUBERNETES, f"k8s.io/kubernetes/cmd/{name}")


def _containerd(name: str) -> Program:
    return Program(name, CONTAINERD, f"github.com/containerd/containerd/v2/cmd/{name}")


_API = (
    Program("etcd", ETCD, "go.etcd.io/etcd/server/v3"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kubectl"),
)
_NODE = (
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    _containerd("containerd"),
    _containerd("containerd-shim-runc-v2"),
    _containerd("ctr"),
    Program("coredns", COREDNS, "./coredns"),
    Program("pause", PAUSE, "./pause"),
)
_FULL = (
    Program("helm", HELM, "helm.sh/helm/v4/cmd/helm"),
    Program("cert-manager", CERT_MANAGER, "./cert-manager"),
    Program("contour", CONTOUR, "github.com/projectcontour/contour/cmd/contour", family="contour"),
)
_KIND = Program("kind", KIND, "sigs.k8s.io/kind", family="kind")

_PARTS: dict[Profile, tuple[Program, ...]] = {"api": _API, "node": _NODE, "full": _FULL}
ALL: dict[str, Program] = {program.name: program for program in (*_API, *_NODE, *_FULL, _KIND)}


def needed(profile: Profile) -> tuple[Program, ...]:
    """The programs of a profile: each one has all of the smaller ones."""
    return tuple(program for part in up_to(profile) for program in _PARTS[part])


def needed_by(engine: Engine, profile: Profile) -> tuple[Program, ...]:
    """The programs to compile; most of a cluster by kind comes in images."""
    names = ("kind", "kubectl", *(("helm", "cert-manager") if profile == "full" else ()))
    return needed(profile) if engine == "native" else tuple(ALL[name] for name in names)


def link_flags() -> str:
    """What the linker is told: no debug information, and the versions the programs report."""
    base = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.split(".")
    values = {
        f"{base}.gitVersion": f"v{KUBERNETES}",
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES}",
        "github.com/containerd/containerd/v2/version.Version": CONTAINERD,
        "helm.sh/helm/v4/internal/version.version": f"v{HELM}",
    }
    return " ".join(["-s -w", *(f"-X {symbol}={value}" for symbol, value in values.items())])
