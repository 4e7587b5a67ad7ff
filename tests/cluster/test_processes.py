import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from smarter_cluster.errors import ClusterError
from smarter_cluster.processes import Component, Identity, Processes, identity_of, parse_identity, wait_until

WAITS = Component(name="waits", command=("sleep", "600"))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for name in made.names():
        made.kill(name)


def pid_of(processes: Processes, name: str) -> int:
    pid = processes.pid(name)
    assert pid is not None
    return pid


@pytest.mark.parametrize(
    ("record", "identity"),
    [
        pytest.param(
            "b00t 7 (sh) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4711 9 9", Identity("b00t", 7, 4711), id="plain"
        ),
        pytest.param(
            "b00t 7 (a) b (c)) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4711 9", Identity("b00t", 7, 4711), id="odd-name"
        ),
        pytest.param("", None, id="not-written-yet"),
        pytest.param("b00t 7 (sh) S 1 7", None, id="half-written"),
    ],
)
def test_a_record_says_which_process_it_means(record: str, identity: Identity | None) -> None:
    assert parse_identity(record) == identity


def test_a_component_runs_on_by_itself_and_is_found_again(processes: Processes, tmp_path: Path) -> None:
    assert processes.ensure([WAITS]) == ["waits"]
    pid = pid_of(processes, "waits")
    assert psutil.Process(pid).cmdline() == ["sleep", "600"]
    assert psutil.Process(pid).terminal() is None
    assert Processes(tmp_path).ensure([WAITS]) == []
    assert Processes(tmp_path).pid("waits") == pid


def test_a_component_that_died_is_started_again(processes: Processes) -> None:
    processes.ensure([WAITS])
    died = psutil.Process(pid_of(processes, "waits"))
    died.kill()
    psutil.wait_procs([died], timeout=10)
    assert processes.pid("waits") is None
    assert processes.ensure([WAITS]) == ["waits"]
    assert pid_of(processes, "waits") != died.pid


OUTLIVED = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_component_whose_first_thread_ended_before_the_others_still_runs(processes: Processes) -> None:
    processes.ensure([replace(WAITS, command=(sys.executable, "-c", OUTLIVED))])
    component = psutil.Process(pid_of(processes, "waits"))
    assert wait_until(lambda: component.status() == psutil.STATUS_ZOMBIE, 10)
    assert processes.pid("waits") == component.pid
    processes.kill("waits")
    assert identity_of(component.pid) is None


def test_a_component_with_another_command_line_is_replaced(processes: Processes) -> None:
    processes.ensure([WAITS])
    before = pid_of(processes, "waits")
    assert processes.ensure([replace(WAITS, command=("sleep", "601"))]) == ["waits"]
    assert identity_of(before) is None
    assert psutil.Process(pid_of(processes, "waits")).cmdline() == ["sleep", "601"]


def test_a_stranger_with_a_recycled_pid_is_never_killed(processes: Processes, tmp_path: Path) -> None:
    processes.ensure([WAITS])
    stranger = pid_of(processes, "waits")
    record = tmp_path / "pids" / "waits"
    identity = identity_of(stranger)
    assert identity is not None
    own = record.read_text()
    record.write_text(own.replace(f" {identity.started} ", f" {identity.started - 1} "))
    assert processes.pid("waits") is None
    processes.stop("waits")
    assert psutil.Process(stranger).is_running()
    record.write_text(own)


def test_a_record_of_an_earlier_boot_means_nobody(processes: Processes, tmp_path: Path) -> None:
    processes.ensure([WAITS])
    record = tmp_path / "pids" / "waits"
    own = record.read_text()
    record.write_text(f"earlier-boot {own.partition(' ')[2]}")
    assert processes.pid("waits") is None
    record.write_text(own)


def test_a_component_that_ignores_the_polite_signal_is_stopped_by_force(tmp_path: Path) -> None:
    processes = Processes(tmp_path, stop_seconds=0.2)
    log = processes.log("stubborn")
    command = ("sh", "-c", "trap '' TERM; echo ready; exec sleep 600")
    processes.ensure([Component(name="stubborn", command=command, ready=lambda: "ready" in log.read_text())])
    pid = pid_of(processes, "stubborn")
    processes.stop("stubborn")
    assert processes.pid("stubborn") is None
    assert identity_of(pid) is None


@pytest.mark.parametrize(
    ("component", "how"),
    [
        pytest.param(
            Component(
                name="fails", command=("sh", "-c", "echo cannot bind: address in use; exit 3"), ready=lambda: False
            ),
            "fails ended",
            id="ended",
        ),
        pytest.param(
            Component(
                name="fails",
                command=("sh", "-c", "echo cannot bind: address in use; exec sleep 600"),
                ready=lambda: False,
                ready_seconds=0.3,
            ),
            "fails is not ready after",
            id="never-ready",
        ),
    ],
)
def test_a_failing_component_shows_the_end_of_its_log(processes: Processes, component: Component, how: str) -> None:
    with pytest.raises(ClusterError) as failure:
        processes.ensure([component])
    assert how in str(failure.value)
    assert "cannot bind: address in use" in str(failure.value)
    assert str(processes.log("fails")) in str(failure.value)


def test_a_program_that_does_not_exist_is_named(processes: Processes) -> None:
    with pytest.raises(ClusterError, match="no-such-program"):
        processes.ensure([Component(name="absent", command=("/no-such-program",), ready=lambda: False)])
