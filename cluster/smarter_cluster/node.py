"""The machine that the pods see: namespaces of its own, so that everything in it ends with one process."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path

from smarter_cluster.errors import ClusterError
from smarter_cluster.processes import Component, Processes, wait_until
from smarter_cluster.shell import run, succeeds
from smarter_cluster.site import Site

HOLDER = "node"
MACHINE_PROC = "/run/machine/proc"
# Where the programs of a node keep their files by default; inside the node these are folders of the cluster.
FOLDERS = {
    "/var/lib/kubelet": "kubelet",
    "/var/lib/containerd": "containerd",
    "/var/lib/cni": "cni-state",
    "/var/log/pods": "pod-logs",
    "/var/log/containers": "container-logs",
}
# $1 is the cluster's folder. Mounts of the machine come in, those made inside never get out. Pods need shared mounts,
# but earlier the new /proc would appear in the copy of the old one as well.
SETUP = f"""\
set -e
resolv=$(readlink -f /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p {MACHINE_PROC}
mount --rbind /proc {MACHINE_PROC}
mount -t proc proc /proc
{"".join(f'mount --bind "$1/{name}" {path}{chr(10)}' for path, name in FOLDERS.items())}
mkdir -p "$(dirname "$resolv")"
[ -e "$resolv" ] || touch "$resolv"
mount --bind "$1/resolv.conf" "$resolv"
mount --make-rshared /
exec "$1/bin/pause"
"""


def holder(site: Site) -> Component:
    """The first process of the node's namespaces; when it ends, the kernel ends and removes everything in them."""
    unshare = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "slave")
    return Component(name=HOLDER, command=(*unshare, "sh", "-c", SETUP, "sh", str(site.folder)))


def refuse_without_root(user_id: int) -> None:
    """Say early what would fail late."""
    if user_id != 0:
        raise ClusterError("Pods need root for their namespaces; use `--profile api`, or run this as root.")


def prepare(site: Site) -> None:
    """Make the folders that the node's namespaces need on the machine."""
    for path, name in FOLDERS.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        (site.folder / name).mkdir(parents=True, exist_ok=True)
    for hierarchy in cgroup_hierarchies():
        (hierarchy / cgroup(site)).mkdir(exist_ok=True)


def enter(processes: Processes) -> tuple[str, ...]:
    """The command that runs another command inside the node."""
    pid = first_process(processes)
    return ("nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--")


def first_process(processes: Processes) -> int:
    """The pid, on the machine, of the node's first process."""
    found: list[int] = []

    def look() -> bool:
        parent = processes.pid(HOLDER)
        if parent is None:
            return True
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found[:] = [int(child) for child in children if _is_pause(int(child))]
        return bool(found)

    if not wait_until(look, 10) or not found:
        log = processes.log(HOLDER)
        raise ClusterError(f"The node's namespaces cannot be made; see {log}: {log.read_text()[-500:]}")
    return found[0]


def _is_pause(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pause"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cgroup(site: Site) -> str:
    """The name of the cgroup under which the kubelet makes those of the pods."""
    return f"smarter-{site.name}"


def cgroup_hierarchies(root: Path = Path("/sys/fs/cgroup")) -> list[Path]:
    """The one tree of cgroup v2, or the tree of each controller of v1."""
    if (root / "cgroup.controllers").is_file():
        return [root]
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]


def remove_cgroups(site: Site) -> None:
    """Remove the pods' cgroups; they are empty once the last process is gone, which takes the kernel a moment."""
    for hierarchy in cgroup_hierarchies():
        top = hierarchy / cgroup(site)
        wait_until(partial(_remove_tree, top), 5)


def _remove_tree(top: Path) -> bool:
    folders = [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
    try:
        for folder in folders:
            folder.rmdir()
    except OSError:
        return False
    return True


def connect(site: Site, processes: Processes) -> None:
    """Join the machine and the node by a link, with routes to pods and services and a way out for them."""
    device, addresses = link_name(site), site.addresses
    inside = enter(processes)
    succeeds(["modprobe", "br_netfilter"])
    if not succeeds([*inside, "ip", "link", "show", "eth0"]):
        _new_link(site, first_process(processes))
    run(["ip", "addr", "replace", f"{addresses.host}/30", "dev", device])
    run(["ip", "link", "set", device, "up"])
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "addr", "replace", f"{addresses.node}/30", "dev", "eth0"),
        ("ip", "link", "set", "eth0", "up"),
        ("ip", "route", "replace", "default", "via", addresses.host),
        ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
        # Without it, packets between pods skip the rules for Services; absent where the kernel lacks the module.
        ("sh", "-c", "f=/proc/sys/net/bridge/bridge-nf-call-iptables; [ ! -e $f ] || echo 1 > $f"),
    ):
        run([*inside, *command])
    for network in (addresses.pods, addresses.services):
        run(["ip", "route", "replace", str(network), "via", addresses.node])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for rule in firewall_rules(site):
        if not succeeds(["iptables", "-w", "-t", rule[0], "-C", *rule[1:]]):
            run(["iptables", "-w", "-t", rule[0], "-I", *rule[1:]])


def _new_link(site: Site, node_pid: int) -> None:
    device, mtu = link_name(site), str(outside_mtu())
    # The link of a node that ended a moment ago may still be there, and is about to go.
    succeeds(["ip", "link", "del", device])
    wait_until(lambda: not Path(f"/sys/class/net/{device}").exists(), 5)
    peer = ("peer", "name", "eth0", "mtu", mtu, "netns", str(node_pid))
    run(["ip", "link", "add", device, "mtu", mtu, "type", "veth", *peer])
    run(["ip", "link", "set", device, "alias", label(site)])


def disconnect(site: Site) -> None:
    """Remove the link and the machine's firewall rules for it, wherever a run stopped."""
    # The kernel removes the link with the node's namespaces, but in its own time.
    succeeds(["ip", "link", "del", link_name(site)])
    for rule in firewall_rules(site):
        while succeeds(["iptables", "-w", "-t", rule[0], "-D", *rule[1:]]):
            pass


def link_name(site: Site) -> str:
    return f"smarter{site.record.index}"


def label(site: Site) -> str:
    """What everything on the machine that belongs to the cluster is marked with."""
    return f"smarter-cluster:{site.name}"


def firewall_rules(site: Site) -> list[list[str]]:
    """The machine's rules for this cluster: table, chain and what follows; all that is ever added to it."""
    device = link_name(site)
    comment = ["-m", "comment", "--comment", label(site)]
    leaving = [
        ["nat", "POSTROUTING", "-s", str(network), "!", "-o", device, *comment, "-j", "MASQUERADE"]
        for network in (site.addresses.pods, site.addresses.link)
    ]
    passing = [["filter", "FORWARD", way, device, *comment, "-j", "ACCEPT"] for way in ("-i", "-o")]
    return [*leaving, *passing]


def outside_mtu() -> int:
    """The size of packets that the way out of this machine takes."""
    shown = subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True, check=False).stdout
    device = re.search(r"\bdev (\S+)", shown)
    return int(Path(f"/sys/class/net/{device[1]}/mtu").read_text()) if device else 1500
