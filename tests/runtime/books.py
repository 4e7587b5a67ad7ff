"""Holds the usage records against the answers: as many of one as of the other, whatever a test does."""

import re
import sqlite3
from collections.abc import MutableMapping
from contextlib import closing
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from smarter_crds.usage import UsageRecord
from smarter_runtime.embedded import FILE_NAME
from smarter_runtime.services import Services

_ID = re.compile(rb'"id":\s*"((?:chatcmpl|resp)[-_][A-Za-z0-9]+)"')


class Books:
    """Wraps the API and notes the ids of the answers that go out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: set[str] = set()
        self._before = 0
        """Records of an earlier process."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: MutableMapping[str, Any]) -> None:
            if found := _ID.search(message.get("body", b"")):
                self.answers.add(found[1].decode())
            await send(message)

        await self._app(scope, receive, noting if scope.get("method") == "POST" else send)

    def open(self, services: Services) -> None:
        self._before = len(records(services))

    async def check(self, services: Services) -> None:
        """Compare, when all answers are over."""
        await services.keeping.recorder.close()
        await (self._check_own(services) if services.keeping.stored_usage is None else self._check_shared(services))

    async def _check_own(self, services: Services) -> None:
        found = records(services)[self._before :]
        ids = [record.id for record in found]
        assert len(ids) == services.places.given, "an answer has no usage record, or a record no answer"
        assert len(set(ids)) == len(ids)
        assert self.answers <= set(ids), "an answer went out whose id no record has"
        assert all(record.status != "Lost" for record in found)

    async def _check_shared(self, services: Services) -> None:
        """Compare with a Store, where records of other pods are as well."""
        assert await services.keeping.forwarder.send(), "records have not arrived in the Store"
        found = await stored(services)
        ids = [record.id for record in found]
        assert len(set(ids)) == len(ids) >= services.places.given
        assert self.answers <= set(ids), "an answer went out whose id no record has"
        assert records(services) == [], "a record that has arrived is kept twice"


async def stored(services: Services) -> list[UsageRecord]:
    """Return the final records that are in the Store."""
    assert services.keeping.stored_usage is not None
    found = await services.keeping.stored_usage.unacknowledged(0, 10_000)
    return [UsageRecord.model_validate_json(each.record) for each in found]


def records(services: Services) -> list[UsageRecord]:
    """Return all that is in the file, the records of answers under way included."""
    assert services.settings.data_directory is not None
    file = services.settings.data_directory / FILE_NAME
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as db:
        if not db.execute("select 1 from sqlite_master where name = 'usage'").fetchone():
            return []
        rows = db.execute("select record from usage order by number").fetchall()
    return [UsageRecord.model_validate_json(text) for (text,) in rows]
