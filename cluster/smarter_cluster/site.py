"""Everything that tells one cluster from another: its folder, its addresses, its ports, and its record on disk."""

import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from smarter_cluster import files, network
from smarter_cluster.network import Addresses
from smarter_cluster.programs import PROFILES, Engine, Profile, larger


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was decided when the cluster was made, and how far it was extended since."""

    index: int
    profile: Profile
    ports: dict[str, int]
    engine: Engine = "native"
    audited: str = ""
    """User whose requests the API server records; empty: nobody's."""


@dataclass(frozen=True)
class Site:
    """One cluster's place on this machine."""

    name: str
    folder: Path
    record: Record

    @property
    def profile(self) -> Profile:
        return self.record.profile

    @cached_property
    def addresses(self) -> Addresses:
        return Addresses(self.record.index)

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port('kube-apiserver')}"

    def port(self, name: str) -> int:
        return self.record.ports[name]

    def has(self, profile: Profile) -> bool:
        """Whether the cluster has all of `profile`."""
        return PROFILES.index(self.profile) >= PROFILES.index(profile)


def find(state: Path, name: str) -> Site | None:
    """The cluster `name` if it was made before."""
    record = _read(state / name / "cluster.json")
    return Site(name, state / name, record) if record else None


def settle(state: Path, name: str, profile: Profile, engine: Engine, audited: str = "") -> Site:
    """The cluster `name` with at least `profile`; a new one gets addresses and ports of its own."""
    with files.locked(state / ".lock"):
        known = find(state, name)
        record = _extended(known.record if known else _new_record(state, engine), profile, _taken_ports(state))
        record = replace(record, audited=record.audited or audited)
        files.write(state / name / "cluster.json", json.dumps(asdict(record), indent=2))
    return Site(name, state / name, record)


def _extended(record: Record, profile: Profile, taken: set[int]) -> Record:
    """The record with everything `profile` needs; what was chosen before stays."""
    # The ports of kind's containers cannot be changed later.
    listening: Profile = "full" if record.engine == "kind" else profile
    chosen = network.choose_ports(listening, taken, network.is_free, known=record.ports)
    return replace(record, profile=larger(record.profile, profile), ports=chosen)


def _new_record(state: Path, engine: Engine) -> Record:
    index = network.choose_index({record.index for record in _records(state)}, network.routes())
    return Record(index=index, profile="api", ports={}, engine=engine)


def _taken_ports(state: Path) -> set[int]:
    return {port for record in _records(state) for port in record.ports.values()}


def _records(state: Path) -> list[Record]:
    return [record for path in state.glob("*/cluster.json") if (record := _read(path))]


def _read(path: Path) -> Record | None:
    if not path.is_file():
        return None
    # Another version of this program may have written it and know more.
    known = {each.name for each in fields(Record)}
    return Record(**{name: value for name, value in json.loads(path.read_text()).items() if name in known})
