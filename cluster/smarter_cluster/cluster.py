"""One local cluster: made, extended, repaired and removed as a whole."""

import subprocess
from pathlib import Path

from smarter_cluster import addons, controlplane, files, programs, site
from smarter_cluster.build import Programs, Say
from smarter_cluster.errors import ClusterError
from smarter_cluster.processes import Processes
from smarter_cluster.programs import Profile
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
        self._programs.ensure(programs.needed(self.profile))
        with files.locked(self._settings.state / f".{self.name}.lock"):
            here = site.settle(self._settings.state, self.name, self.profile)
            self._link_programs(here)
            processes = Processes(here.folder)
            keys = controlplane.credentials(here)
            first, then = controlplane.components(here, keys)
            for wave in (first, then):
                started = processes.ensure(wave)
                if started:
                    self._say(f"started {', '.join(started)}")
            addons.definitions_once(here, self._settings.cache, self.kubectl)

    def down(self) -> None:
        """Remove the cluster with everything it made; nothing else is touched."""
        with files.locked(self._settings.state / f".{self.name}.lock"):
            here = site.find(self._settings.state, self.name)
            if here is None:
                return
            processes = Processes(here.folder)
            for name in processes.names():
                processes.kill(name)
            files.remove(here.folder)

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

    def _site(self) -> Site:
        here = site.find(self._settings.state, self.name)
        if here is None:
            raise ClusterError(f"There is no cluster {self.name!r}; make it with `python -m smarter_cluster up`.")
        return here

    def _link_programs(self, here: Site) -> None:
        here.bin.mkdir(parents=True, exist_ok=True)
        for program in programs.needed(here.profile):
            link = here.bin / program.name
            target = self._programs.path(program.name)
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
