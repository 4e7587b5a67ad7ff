"""What the operator asks of Kubernetes, and the ways in which it can fail."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from smarter_operator.kinds import Kind
from smarter_operator.names import FIELD_MANAGER

Manifest = dict[str, Any]


class ClusterError(Exception):
    """A call of the Kubernetes API failed."""


class Unavailable(ClusterError):
    """The API server did not answer or asked for patience; trying again later helps."""

    def __init__(self, message: str, retry_after_seconds: float = 0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Conflict(ClusterError):
    """The object changed or was replaced meanwhile; trying again with fresh facts helps."""


class NotFound(ClusterError):
    """The object, its namespace or its whole API is not there."""


class ApiMissing(NotFound):
    """The API of another product is not installed, so that none of its kinds exists."""


class Rejected(ClusterError):
    """The API server or an admission policy refused the object; a person must act."""


class Cluster(Protocol):
    """The part of the Kubernetes API that the operator uses. Every method may raise a `ClusterError`."""

    async def list_objects(self, kind: Kind, namespace: str = "", name: str = "") -> list[Manifest]:
        """Return all objects of `kind` that match its selector, or the one of this name; none where the API is missing.

        A single object is listed, too, so that whoever may list a kind needs no other permission.
        """

    async def list_metadata(self, kind: Kind) -> list[Manifest]:
        """Return `{metadata: …}` of what `list_objects` returns, which costs a fraction of it."""

    async def read_metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return `{metadata: …}` of one object, whoever made it, or None.

        Raises:
            ApiMissing: when `kind` is optional and its API is not there.
        """

    async def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return one whole object, or None."""

    async def create_object(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object that is not there yet. Returns it as it was made.

        Raises:
            Conflict: when the name is taken, by whomever.
        """

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace the object by `manifest`, which tells in `metadata.resourceVersion` what it is based on.

        Raises:
            Conflict: when the object is not that version any more.
        """

    async def apply(self, kind: Kind, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply on the server: create the object, or change the fields that `manager` owns."""

    async def patch(
        self, kind: Kind, live: Manifest, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> Manifest:
        """Change places of the object by a JSON Patch, in the name of `manager`.

        Raises:
            Conflict: when the object is not the version `live` any more.
        """

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Apply an object that nobody has made yet.

        Raises:
            Conflict: when there is one of that name; it stays as it is.
        """

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Apply the status of an object; all members of our status that `manifest` lacks go."""

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", version: str = "") -> None:
        """Delete one object, only if it still has this UID and resourceVersion where given; its absence is no error."""

    async def write_event(self, event: Manifest) -> None:
        """Create an Event, or replace the one of that name."""

    async def annotate_pod(self, namespace: str, name: str, annotations: dict[str, str]) -> None:
        """Set annotations of a pod through its status subresource."""
