"""The store within the pod: one SQLite file, worked on by one thread, so that no request waits for a disk."""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from smarter_crds.runtime_config import RuntimeProblem

logger = logging.getLogger(__name__)

FILE_NAME = "smarter.db"
MOST_JOBS = 200
"""Jobs that share a commit."""
BUSY_SECONDS = 5
_SETTINGS = (
    "journal_mode = wal",
    "synchronous = normal",
    "foreign_keys = on",
    # What is erased is overwritten, not only forgotten.
    "secure_delete = on",
    # A bot's whole store is small; what SQLite keeps in memory of it counts against the bot's budget.
    "cache_size = -512",
    "journal_size_limit = 4194304",
)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]


class Embedded:
    """Runs work on the file, in the order in which it was asked for; what waits together is committed together.

    A commit survives the end of the process, however it ends; losing power may lose the last moments.
    """

    def __init__(self, directory: Path | None, schema: Sequence[str], at_start: Sequence[str] = ()) -> None:
        """Keep everything in `directory`, or in memory when it is None or cannot be written to.

        `schema` are the scripts that make the tables, `at_start` statements for each time that the file is opened.
        """
        self._directory = directory
        self._schema = tuple(schema)
        self._at_start = tuple(at_start)
        self._jobs: queue.SimpleQueue[Sequence[_Job | None]] = queue.SimpleQueue()
        self._patient: list[_Job] = []
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self.problems: tuple[RuntimeProblem, ...] = ()

    def submit(self, work: Work[T], *, patience: float = 0.0) -> asyncio.Future[T]:
        """Let the thread do `work` in a transaction. It may be done although nobody waits for it any more.

        Work that raises changes nothing; it may be done a second time where what it shared a commit with raised. What
        it returns must not depend on the connection. It waits up to `patience` seconds for other work, whose way to
        the thread and back it shares.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._is_closed:
            raise sqlite3.ProgrammingError("The store is closed.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="embedded-store", daemon=True)
            self._thread.start()
        self._patient.append(_Job(work, future))
        if not patience:
            self.hasten()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(patience, self.hasten)
        return future

    def hasten(self) -> None:
        """Let nothing wait any longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._patient:
            self._jobs.put(self._patient)
            self._patient = []

    async def run(self, work: Work[T]) -> T:
        return await self.submit(work)

    async def close(self) -> None:
        """Finish what was asked for."""
        self._is_closed = True
        self.hasten()
        if self._thread is not None:
            self._jobs.put([None])
            await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        is_open = True
        while is_open:
            jobs = self._waiting()
            is_open = jobs[-1] is not None
            asked = [job for job in jobs if job is not None]
            try:
                connection = connection or self._connected()
                results = _committed(connection, asked)
            except Exception as error:  # noqa: BLE001 - the thread goes on, and whoever asked is told
                results = [error] * len(asked)
            _tell(asked, results)
        if connection is not None:
            connection.close()

    def _waiting(self) -> list[_Job | None]:
        jobs = list(self._jobs.get())
        with contextlib.suppress(queue.Empty):
            while jobs[-1] is not None and len(jobs) < MOST_JOBS:
                jobs += self._jobs.get_nowait()
        return jobs

    def _connected(self) -> sqlite3.Connection:
        path = self._directory / FILE_NAME if self._directory else None
        if path is None:
            return self._opened(":memory:")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            return self._opened_or_anew(path)
        except (sqlite3.Error, OSError) as error:
            message = (
                f"The embedded store cannot write to `{path.parent}` ({error}); what it keeps (conversations and "
                "usage, or usage on its way to a Store) is in memory and is lost with the container. Make the folder "
                "writable."
            )
            self._problem("StoreNotKept", message)
            return self._opened(":memory:")

    def _opened_or_anew(self, path: Path) -> sqlite3.Connection:
        try:
            return self._opened(str(path))
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(".broken")
            path.replace(aside)
            for leftover in ("-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
            message = f"The embedded store was damaged ({error}) and begins anew; the old file is `{aside}`."
            self._problem("StoreDamaged", message)
            return self._opened(str(path))

    def _opened(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for setting in _SETTINGS:
                connection.execute(f"pragma {setting}")
            _migrate(connection, self._schema)
            for statement in self._at_start:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _problem(self, reason: str, message: str) -> None:
        logger.error("store problem", extra={"reason": reason, "text": message})
        self.problems = (*self.problems, RuntimeProblem(reason=reason, message=message))


def _migrate(connection: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Bring the file to the newest schema: its version is the number of scripts that were run on it."""
    (version,) = connection.execute("pragma user_version").fetchone()
    for number, script in enumerate(schema[version:], version + 1):
        connection.executescript(f"begin immediate; {script}; pragma user_version = {number}; commit;")


def _committed(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> list[Any]:
    """Do all jobs in one transaction; returns the result of each, or its exception."""
    if not jobs:
        return []
    # Every statement gives the lock of Python's away and has to get it back: savepoints are for when they are needed.
    try:
        return _in_transaction(connection, jobs, lambda db, work: work(db))
    except Exception:
        if len(jobs) == 1:
            raise
    return _in_transaction(connection, jobs, _done)


def _in_transaction(
    connection: sqlite3.Connection, jobs: Sequence[_Job], do: Callable[[sqlite3.Connection, Work[Any]], Any]
) -> list[Any]:
    connection.execute("begin immediate")
    try:
        results = [do(connection, job.work) for job in jobs]
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    return results


def _done(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    connection.execute("savepoint job")
    try:
        result = work(connection)
    except Exception as error:
        if not connection.in_transaction:
            # A full disk undoes everything, also what was done beside this.
            raise
        connection.execute("rollback to job")
        result = error
    connection.execute("release job")
    return result


def _tell(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    if not jobs:
        return
    # All futures belong to the one loop of the process.
    with contextlib.suppress(RuntimeError):
        jobs[0].future.get_loop().call_soon_threadsafe(_resolve, jobs, results)


def _resolve(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, BaseException):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
