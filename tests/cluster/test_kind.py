import json
from pathlib import Path

import yaml

from cluster.support import site
from smarter_cluster import kind, programs

FOLDER = Path("/state/demo")


def test_kind_puts_the_api_and_https_on_ports_of_this_machine() -> None:
    here = site(FOLDER, engine="kind")
    shown = yaml.safe_load(kind.config(here))
    assert shown["networking"] == {"apiServerAddress": "127.0.0.1", "apiServerPort": 6443}
    (node,) = shown["nodes"]
    assert node["extraPortMappings"] == [{"containerPort": 443, "hostPort": 443, "listenAddress": "127.0.0.1"}]


def test_a_small_cluster_can_grow_because_its_https_port_is_there_from_the_start() -> None:
    assert "extraPortMappings" in yaml.safe_load(kind.config(site(FOLDER, "api", engine="kind")))["nodes"][0]


def test_kind_works_on_the_cluster_of_this_name_only() -> None:
    here = site(FOLDER, engine="kind")
    for command in (
        kind.create_command(here, FOLDER / "kind.yaml"),
        kind.delete_command(here),
        kind.load_command(here, Path("image.tar")),
    ):
        assert command[0] == "/state/demo/bin/kind"
        assert command[command.index("--name") + 1] == "smarter-demo"


def test_the_users_own_kubeconfig_is_left_alone() -> None:
    here = site(FOLDER, engine="kind")
    for command in (kind.create_command(here, FOLDER / "kind.yaml"), kind.delete_command(here)):
        assert command[command.index("--kubeconfig") + 1] == "/state/demo/kubeconfig"


def test_ingresses_show_the_address_where_they_answer() -> None:
    (operation,) = json.loads(kind.status_address_patch())
    assert operation["op"] == "add"
    assert operation["value"] == "--ingress-status-address=127.0.0.1"


def test_with_kind_the_control_plane_is_not_compiled() -> None:
    names = {program.name for program in programs.needed_by("kind", "full")}
    assert names == {"kind", "kubectl", "helm", "cert-manager"}
