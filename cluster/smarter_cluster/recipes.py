"""How the go.mod of each program family is made: `python -m smarter_cluster.recipes` renews the pinned ones."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from smarter_cluster import programs
from smarter_cluster.toolchain import module_folder

GO = "1.26.0"
# One family shares everything that is compiled for it; Contour and kind need other versions of the same libraries.
FAMILIES = {
    "kubernetes": (
        "k8s.io/kubernetes",
        "go.etcd.io/etcd/server/v3",
        "github.com/containerd/containerd/v2",
        "github.com/coredns/coredns",
        "github.com/cert-manager/cert-manager",
        "helm.sh/helm/v4",
    ),
    "contour": ("github.com/projectcontour/contour",),
    "kind": ("sigs.k8s.io/kind",),
}
PLACEHOLDER = re.compile(r"^\s*(?:require )?(k8s\.io/\S+) v0\.0\.0$", re.MULTILINE)


def placeholders(go_mod: str) -> list[str]:
    """The modules that Kubernetes requires as v0.0.0, which exist only inside its repository."""
    return sorted(set(PLACEHOLDER.findall(go_mod)))


def go_mod(family: str, replaced: Iterable[str]) -> str:
    """The go.mod of a family before `go mod tidy`: its programs as tools, placeholders replaced by published twins."""
    published = f"v0.{programs.KUBERNETES.partition('.')[2]}"
    tools = [
        program.package
        for program in programs.ALL.values()
        if program.family == family and not program.package.startswith(".")
    ]
    blocks = {
        "tool": tools,
        "require": [f"{module} v{programs.MODULES[module]}" for module in FAMILIES[family]],
        "replace": [f"{module} => {module} {published}" for module in replaced],
    }
    rendered = [f"{name} (\n" + "".join(f"\t{line}\n" for line in lines) + ")\n" for name, lines in blocks.items()]
    return "\n".join([f"module smarter-cluster/{family}\n", f"go {GO}\n", *rendered])


def main() -> None:
    kubernetes = module_folder("go", "k8s.io/kubernetes", programs.KUBERNETES) / "go.mod"
    for family, required in FAMILIES.items():
        replaced = placeholders(kubernetes.read_text()) if "k8s.io/kubernetes" in required else []
        folder: Path = programs.SOURCES / family
        folder.mkdir(exist_ok=True)
        (folder / "go.mod").write_text(go_mod(family, replaced))
        (folder / "go.sum").unlink(missing_ok=True)
        subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True)


if __name__ == "__main__":
    main()
