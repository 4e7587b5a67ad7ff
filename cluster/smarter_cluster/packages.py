"""What comes from the distribution instead of being compiled, and how it gets here."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say


@dataclass(frozen=True)
class Requirement:
    """A file or a command, and the Debian package that has it."""

    needed: str
    package: str

    @property
    def present(self) -> bool:
        return Path(self.needed).exists() if self.needed.startswith("/") else shutil.which(self.needed) is not None


CNI_PLUGINS = Path("/usr/lib/cni")
NODE = (
    Requirement("runc", "runc"),
    Requirement(str(CNI_PLUGINS / "bridge"), "containernetworking-plugins"),
    Requirement("iptables", "iptables"),
    Requirement("ip", "iproute2"),
)
IMAGES = (Requirement("buildah", "buildah"), Requirement("mmdebstrap", "mmdebstrap"))


def ensure(requirements: Iterable[Requirement], say: Say) -> None:
    """Install what is missing where that is possible; else say what to install."""
    missing = sorted({requirement.package for requirement in requirements if not requirement.present})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"Install these packages first (Debian's names): {' '.join(missing)}.")
    say(f"installing Debian packages: {' '.join(missing)}")
    if not _apt(["install", "--no-install-recommends", *missing]):
        _apt(["update"])
        if not _apt(["install", "--no-install-recommends", *missing]):
            raise ClusterError(f"`apt-get install {' '.join(missing)}` failed; run it by hand to see why.")


def _apt(arguments: Sequence[str]) -> bool:
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", *arguments]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
