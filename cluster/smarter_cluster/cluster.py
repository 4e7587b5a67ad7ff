"""One local cluster: made, extended, repaired and removed as a whole."""

import subprocess
from functools import partial
from pathlib import Path

from smarter_cluster import bringup, definitions, files, ingress, packages, programs, site, toolchain, wheels
from smarter_cluster.build import Programs
from smarter_cluster.errors import ClusterError
from smarter_cluster.programs import Profile
from smarter_cluster.reporting import Say
from smarter_cluster.settings import Settings
from smarter_cluster.site import Site


class Cluster:
    """A Kubernetes cluster on this machine, named `name`; several can run side by side."""

    def __init__(
        self, name: str = "smarter", profile: Profile = "api", *, settings: Settings | None = None, say: Say = print
    ) -> None:
        self.name = name
        self.profile: Profile = profile
        self._settings = settings or Settings()
        self._say = say
        self._programs = Programs(self._settings.cache, say)

    def up(self) -> None:
        """Have the cluster run with all of its profile; what runs already stays, what died is started again."""
        with files.locked(self._settings.state / f".{self.name}.lock"):
            known = site.find(self._settings.state, self.name)
            self.profile = programs.larger(self.profile, known.profile) if known else self.profile
            self._fetch_programs()
            here = site.settle(self._settings.state, self.name, self.profile)
            self._link_programs(here)
            bringup.up(here, self._definitions(), self.kubectl, self._say)

    def down(self) -> None:
        """Remove the cluster with everything it made; nothing else is touched."""
        with files.locked(self._settings.state / f".{self.name}.lock"):
            here = site.find(self._settings.state, self.name)
            if here is not None:
                bringup.down(here)

    @property
    def ca_certificate(self) -> Path:
        """The certificate of the authority that signs for the cluster's HTTPS hosts."""
        return ingress.demo_authority(self._site("full")).certificate

    @property
    def https_address(self) -> tuple[str, int]:
        """Where the cluster's HTTPS hosts answer. Browsers resolve `*.localhost` to it by themselves, but the resolver
        of most programs does not: connect here and send the host's name in SNI and `Host`."""
        return ingress.LOOPBACK, self._site("full").port("https")

    @property
    def kubeconfig(self) -> Path:
        return self._site().kubeconfig

    @property
    def bin(self) -> Path:
        """The folder with kubectl and the other programs of this cluster."""
        return self._site().bin

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl against this cluster as its administrator and return what it prints."""
        command = [str(self.bin / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ClusterError(f"`kubectl {' '.join(arguments)}` failed: {result.stderr.strip()}")
        return result.stdout

    def _site(self, profile: Profile = "api") -> Site:
        here = site.find(self._settings.state, self.name)
        if here is None or not here.has(profile):
            command = f"python -m smarter_cluster up --name {self.name} --profile {profile}"
            raise ClusterError(f"There is no cluster {self.name!r} with profile {profile!r}; make it with `{command}`.")
        return here

    def _fetch_programs(self) -> None:
        if self.profile != "api":
            packages.ensure(packages.NODE, self._say)
        self._programs.ensure(programs.needed(self.profile))

    def _definitions(self) -> Path:
        cache = self._settings.cache
        go = partial(toolchain.go, cache, self._say)
        return definitions.folder(cache, lambda module, version: toolchain.module_folder(go(), module, version))

    def _link_programs(self, here: Site) -> None:
        targets = {program.name: self._programs.path(program.name) for program in programs.needed(here.profile)}
        if here.has("full"):
            targets["envoy"] = wheels.envoy(self._settings.cache)
        here.bin.mkdir(parents=True, exist_ok=True)
        for name, target in targets.items():
            link = here.bin / name
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
