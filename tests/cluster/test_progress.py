import re

from smarter_cluster import programs
from smarter_cluster.build import Progress

WANTED = [programs.ALL[name] for name in ("etcd", "kube-apiserver", "coredns")]


def told(*compiled: str) -> list[str]:
    lines: list[str] = []
    progress = Progress(WANTED, lines.append)
    for package in compiled:
        progress.compiled(package)
    progress.done(WANTED)
    return [re.sub(r" … \d+ s$", "", line) for line in lines]


def test_every_program_is_told_of_once_in_the_order_in_which_it_is_done() -> None:
    announced, *rest = told(
        "k8s.io/api/core/v1",
        "k8s.io/kubernetes/cmd/kube-apiserver/app",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "smarter-cluster/kubernetes/coredns",
    )
    assert announced.startswith(f"compiling etcd {programs.ETCD}, kube-apiserver {programs.KUBERNETES}")
    assert rest == [
        f"[1/3] kube-apiserver {programs.KUBERNETES}",
        f"[2/3] coredns {programs.COREDNS}",
        f"[3/3] etcd {programs.ETCD}",
    ]
