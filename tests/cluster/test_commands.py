from pathlib import Path

import pytest

from smarter_cluster import packages
from smarter_cluster.cli import main
from smarter_cluster.cluster import Cluster
from smarter_cluster.errors import ClusterError
from smarter_cluster.packages import Requirement
from smarter_cluster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Settings()


def test_files_lie_in_the_folders_of_the_user(settings: Settings, tmp_path: Path) -> None:
    assert settings.state == tmp_path / "state" / "smarter-cluster"
    assert settings.cache == tmp_path / "cache" / "smarter-cluster"


@pytest.mark.parametrize(
    "command", [["kubeconfig"], ["tools"], ["trust"], ["kubectl", "get", "pods"], ["load-image", "x"]]
)
def test_without_a_cluster_a_command_says_how_to_make_one(
    settings: Settings, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([command[0], "--name", "absent", *command[1:]]) == 1
    assert "python -m smarter_cluster up --name absent" in capsys.readouterr().err


def test_the_demo_uses_the_cluster_that_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def up(cluster: Cluster) -> None:
        raise ClusterError(f"up: {cluster.name}")

    monkeypatch.setattr(Cluster, "up", up)
    assert main(["demo", "--name", "other"]) == 1
    assert capsys.readouterr().err == "up: other\n"


def test_the_status_of_no_cluster_is_said_and_counts_as_failure(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--name", "absent"]) == 1
    assert "There is no cluster 'absent'." in capsys.readouterr().out


def test_removing_what_is_not_there_succeeds(settings: Settings) -> None:
    assert main(["down", "--name", "absent"]) == 0


@pytest.mark.parametrize("name", ["../elsewhere", "With-Capitals", "", "a" * 40])
def test_a_name_that_is_no_file_name_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(ClusterError, match="lower-case"):
        Cluster(name, settings=settings)


def test_who_may_not_install_packages_is_told_which() -> None:
    missing = [Requirement("/no/such/file", "one"), Requirement("no-such-command", "two"), Requirement("sh", "dash")]
    with pytest.raises(ClusterError, match=r"Debian's names\): one two\."):
        packages.ensure(missing, print, install=None)


def test_only_what_is_missing_is_installed() -> None:
    installed: list[str] = []
    missing = Requirement("no-such-command", "two")
    packages.ensure([missing, Requirement("sh", "dash")], print, install=installed.extend)
    assert installed == ["two"]


def test_a_file_whose_path_has_a_version_in_it_is_found_whatever_the_version(tmp_path: Path) -> None:
    needed = Requirement(f"{tmp_path}/*/bin/server", "server")
    assert not needed.present
    (tmp_path / "17" / "bin").mkdir(parents=True)
    (tmp_path / "17" / "bin" / "server").touch()
    assert needed.present


def test_nothing_is_asked_of_anybody_when_all_is_there() -> None:
    said: list[str] = []
    packages.ensure([Requirement("sh", "dash")], said.append, install=None)
    assert said == []
