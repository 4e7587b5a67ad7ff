"""What comes from the distribution instead of being compiled, and how it gets here."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import shell
from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say


@dataclass(frozen=True)
class Requirement:
    """A file (a pattern, where its path has a version in it) or a command, and the Debian package that has it."""

    needed: str
    package: str

    @property
    def present(self) -> bool:
        if self.needed.startswith("/"):
            return any(Path("/").glob(self.needed.removeprefix("/")))
        return shutil.which(self.needed) is not None


CNI_PLUGINS = Path("/usr/lib/cni")
NODE = (
    Requirement("runc", "runc"),
    Requirement(str(CNI_PLUGINS / "bridge"), "containernetworking-plugins"),
    Requirement("iptables", "iptables"),
    Requirement("ip", "iproute2"),
)
IMAGES = (Requirement("buildah", "buildah"), Requirement("mmdebstrap", "mmdebstrap"))
BROWSER = (Requirement("chromium", "chromium"),)
# What tests/servers starts.
SERVERS = (
    Requirement("/usr/lib/postgresql/*/bin/postgres", "postgresql"),
    Requirement("redis-server", "redis-server"),
    Requirement("mariadbd", "mariadb-server"),
    Requirement("/usr/sbin/sshd", "openssh-server"),
)

Install = Callable[[Sequence[str]], object]


def ensure(requirements: Iterable[Requirement], say: Say, install: Install | None) -> None:
    """Install what is missing; without a way to do that, say what to install."""
    missing = sorted({requirement.package for requirement in requirements if not requirement.present})
    if not missing:
        return
    if install is None:
        raise ClusterError(f"Install these packages first (Debian's names): {' '.join(missing)}.")
    say(f"installing Debian packages: {' '.join(missing)}")
    install(missing)


def installer() -> Install | None:
    """How packages are installed here: by root with apt-get, or not at all."""
    return _apt_install if os.geteuid() == 0 and shutil.which("apt-get") else None


def _apt_install(names: Sequence[str]) -> None:
    install = ("install", "--no-install-recommends", *names)
    # The lists of packages are fetched only when they are missing or too old to be of use.
    if not shell.succeeds(_apt(*install)):
        shell.run(_apt("update"))
        shell.run(_apt(*install))


def _apt(*arguments: str) -> list[str]:
    return ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", *arguments]
